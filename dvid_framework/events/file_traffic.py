"""Bytes that the process reads from files and writes to them, as Linux counts them."""

from __future__ import annotations

import time
from pathlib import Path

__all__ = ["FileTraffic"]

_COUNTERS = Path("/proc/self/io")
_SHORTEST_SECONDS = 0.5


class FileTraffic:
    """Rates between one question and the next."""

    def __init__(self) -> None:
        self._at, self._counted = time.monotonic(), _counted()
        self._rates = (0, 0)

    def per_second(self) -> tuple[int, int]:
        """Return bytes read and written per second since the last question; 0 where the system does not count them."""
        now, seconds = time.monotonic(), time.monotonic() - self._at
        if seconds >= _SHORTEST_SECONDS:
            counted = _counted()
            read, written = (int((new - old) / seconds) for new, old in zip(counted, self._counted, strict=True))
            self._at, self._counted, self._rates = now, counted, (max(read, 0), max(written, 0))
        return self._rates


def _counted() -> tuple[int, int]:
    try:
        lines = _COUNTERS.read_text().splitlines()
    except OSError:
        return 0, 0
    found = dict(line.split(": ") for line in lines)
    return int(found.get("read_bytes", 0)), int(found.get("write_bytes", 0))

"""How many interactive requests there were lately: background work rests while people are at work."""

from __future__ import annotations

import time
from collections import deque

__all__ = ["InteractiveRequests"]

_BIN_SECONDS = 5
_BINS = 24  # two minutes


class InteractiveRequests:
    """Counts requests of the last two minutes in bins of five seconds.

    Args:
        many: from how many on background work rests; 0 for never.
    """

    def __init__(self, many: int) -> None:
        self._many = many
        self._bins: deque[tuple[int, int]] = deque()

    def add(self) -> None:
        """Count one more. Called by one thread only."""
        if not self._many:
            return
        now = int(time.monotonic()) // _BIN_SECONDS
        if self._bins and self._bins[-1][0] == now:
            self._bins[-1] = (now, self._bins[-1][1] + 1)
        else:
            self._bins.append((now, 1))
            while self._bins[0][0] <= now - _BINS:
                self._bins.popleft()

    def count(self) -> int:
        """Return how many there were in the last two minutes."""
        oldest = int(time.monotonic()) // _BIN_SECONDS - _BINS
        return sum(count for number, count in list(self._bins) if number > oldest)

    def are_many(self) -> bool:
        """Tell whether background work is to rest."""
        return bool(self._many) and self.count() >= self._many

"""The gate of a version: mutations pass while it is open; a commit closes it and waits for those in flight."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from dvid_framework.errors import Unavailable

__all__ = ["WAIT_SECONDS", "Gates"]

WAIT_SECONDS = 2.0
"""How long a mutation waits for a commit: not long, for those in flight may need the thread that it waits in."""


class Gates:
    """Counts the mutations in flight of each version."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._in_flight: Counter[int] = Counter()
        self._closing: set[int] = set()

    def enter(self, version: int, seconds: float = WAIT_SECONDS) -> None:
        """Begin a mutation; waits while the version is being committed.

        Raises:
            Unavailable: the commit takes longer than `seconds`.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: version not in self._closing, seconds):
                raise Unavailable("the version is being committed")
            self._in_flight[version] += 1

    def leave(self, version: int) -> None:
        """End a mutation."""
        with self._changed:
            self._in_flight[version] -= 1
            if not self._in_flight[version]:
                del self._in_flight[version]
                self._changed.notify_all()

    @contextmanager
    def closed(self, version: int, seconds: float = 30.0) -> Iterator[None]:
        """Keep new mutations out, wait for those in flight, and hold the gate closed.

        Raises:
            Unavailable: mutations are still in flight after `seconds`.
        """
        deadline = time.monotonic() + seconds
        with self._changed:
            if not self._changed.wait_for(lambda: version not in self._closing, seconds):
                raise Unavailable("the version is being committed by another request")
            self._closing.add(version)
        try:
            with self._changed:
                left = max(deadline - time.monotonic(), 0.0)
                if not self._changed.wait_for(lambda: version not in self._in_flight, left):
                    raise Unavailable("mutations of the version are still in flight", retry_after=5)
            yield
        finally:
            with self._changed:
                self._closing.discard(version)
                self._changed.notify_all()

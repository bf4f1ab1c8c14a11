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
    """Counts the mutations in flight of each version and, under its negative id, of each instance."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._in_flight: Counter[int] = Counter()
        self._closing: set[int] = set()

    def enter(self, version: int, seconds: float = WAIT_SECONDS, instance: int = 0) -> None:
        """Begin a mutation; waits while the version is being committed.

        Args:
            version: id of the version; 0 for what a commit does not wait for.
            seconds: how long to wait at most.
            instance: id of the instance, whose deletion waits for the mutation.

        Raises:
            Unavailable: the commit takes longer than `seconds`.
        """
        passed = [number for number in (version, -instance) if number]
        with self._changed:
            if self._closing and not self._changed.wait_for(lambda: self._closing.isdisjoint(passed), seconds):
                raise Unavailable("the version is being committed")
            for number in passed:
                self._in_flight[number] += 1

    def leave(self, version: int, instance: int = 0) -> None:
        """End a mutation."""
        with self._changed:
            for number in (version, -instance):
                self._in_flight[number] -= 1
                if self._in_flight[number] <= 0:
                    del self._in_flight[number]
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
                    raise Unavailable("mutations are still in flight", retry_after=5)
            yield
        finally:
            with self._changed:
                self._closing.discard(version)
                self._changed.notify_all()

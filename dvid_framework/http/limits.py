"""Bounds on what requests can ask of the server: bytes of bodies, threads, and throttled operations."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from dvid_framework.errors import TooLarge, Unavailable

__all__ = ["Budget", "Throttle"]


class Budget:
    """Bytes that all requests together may hold, on the event loop and in threads.

    Args:
        total: how many bytes there are.
    """

    def __init__(self, total: int) -> None:
        self._total = total
        self._free = total
        self._lock = threading.Lock()

    @property
    def held(self) -> int:
        """Bytes that are taken now."""
        return self._total - self._free

    def take(self, count: int) -> None:
        """Take bytes.

        Raises:
            TooLarge: more than the budget ever has.
            Unavailable: others hold them now.
        """
        if count > self._total:
            raise TooLarge(f"{count} bytes are more than the {self._total} that the server may use for requests")
        with self._lock:
            if count > self._free:
                raise Unavailable("the server's memory for requests is in use; try again")
            self._free -= count

    def give_back(self, count: int) -> None:
        """Return bytes that were taken."""
        with self._lock:
            self._free += count

    @contextmanager
    def holding(self, count: int) -> Iterator[None]:
        """Hold bytes.

        Raises:
            TooLarge: more than the budget ever has.
            Unavailable: others hold them now.
        """
        self.take(count)
        try:
            yield
        finally:
            self.give_back(count)


class Throttle:
    """At most so many throttled operations at a time (`throttle=on`)."""

    def __init__(self, limit: int = 1) -> None:
        self.limit = limit
        self._active = 0
        self._lock = threading.Lock()

    @contextmanager
    def operation(self) -> Iterator[None]:
        """Hold one place.

        Raises:
            Unavailable: all are taken.
        """
        with self._lock:
            if self._active >= self.limit:
                raise Unavailable(f"the server runs {self._active} throttled operations already; try again")
            self._active += 1
        try:
            yield
        finally:
            with self._lock:
                self._active -= 1

"""Whether several clients are about: only then one of them has to leave something to the others."""

from __future__ import annotations

import time
from collections.abc import Callable

__all__ = ["Neighbours"]

_SECONDS = 1.0


class Neighbours:
    """Notes who asks for something.

    Args:
        clock: tells the time in seconds.
    """

    __slots__ = ("_before", "_clock", "_last", "_latest")

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._last = ""
        self._latest = -_SECONDS  # when the last client asked last
        self._before = -_SECONDS  # and when another one did before it

    def notice(self, client: str) -> None:
        """Note that a client asks for something, or has something done."""
        if client != self._last:
            self._last, self._before = client, self._latest
        self._latest = self._clock()

    @property
    def several(self) -> bool:
        """Whether more than one client has asked for something within the last second."""
        return self._clock() - self._before < _SECONDS

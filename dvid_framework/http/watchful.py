"""Looking out for the next request: an event loop that does not go to sleep at once after a quick answer.

A client that asks one thing after the other sends its next request some tens of microseconds after an answer. Waking a
processor that went to sleep meanwhile takes longer than most small answers do. So the loop polls for a moment.
"""

from __future__ import annotations

import asyncio
import time

__all__ = ["Watchful"]

_SECONDS = 60e-6


class Watchful:
    """Keeps an event loop awake for a moment; used on the loop alone.

    Args:
        loop: the loop.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._until = 0.0
        self._awake = False

    def stay(self) -> None:
        """Stay awake for a moment from now on."""
        self._until = time.perf_counter() + _SECONDS
        if not self._awake:
            self._awake = True
            self._loop.call_soon(self._look)

    def _look(self) -> None:
        if time.perf_counter() < self._until:
            self._loop.call_soon(self._look)  # the loop polls its sockets before each turn
        else:
            self._awake = False

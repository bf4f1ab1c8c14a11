"""Large answers are sent in slices, and by turns; by threads, so that who asks for little does not wait for them.

A large answer that nobody else waits for is written by the event loop itself: that is quickest.
"""

from __future__ import annotations

import asyncio
from typing import Any

from litestar.types import Send

from dvid_framework.http.neighbours import Neighbours

__all__ = ["LEAST_BYTES", "LargeAnswers"]

LEAST_BYTES = 64 << 10
_BYTES_ALONE = 4 << 20  # about a millisecond of copying
_BYTES_BESIDE = 1 << 20


class LargeAnswers:
    """Those that are being sent; used on the event loop alone.

    Args:
        neighbours: tells whether several clients are about.
    """

    def __init__(self, neighbours: Neighbours) -> None:
        self._neighbours = neighbours
        self._count = 0

    @property
    def beside_others(self) -> bool:
        """Whether there is more than one, or more than one client."""
        return self._count > 1 or self._neighbours.several

    async def send(self, send: Send, message: Any, body: Any) -> None:
        """Send a part of an answer in slices.

        Args:
            send: sends a message.
            message: the message.
            body: its body: a bytes-like object of more than `LEAST_BYTES`.
        """
        self._count += 1
        try:
            left = memoryview(body).cast("B")
            while len(left) > (size := _BYTES_BESIDE if self.beside_others else _BYTES_ALONE):
                slice_of: Any = {**message, "body": left[:size], "more_body": True}
                await send(slice_of)
                left = left[size:]
                await asyncio.sleep(0)  # `send` waits only once the socket is full
            rest: Any = {**message, "body": left}
            await send(rest)
        finally:
            self._count -= 1

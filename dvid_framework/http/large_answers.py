"""Large answers are sent in slices, and by turns: who asks for little waits for no more than a slice of each."""

from __future__ import annotations

import asyncio
from typing import Any

from litestar.types import Send

__all__ = ["LEAST_BYTES", "LargeAnswers"]

LEAST_BYTES = 64 << 10
_ROUND_BYTES = 4 << 20  # of all large answers between two turns of everybody else: about a millisecond of copying


class LargeAnswers:
    """Those that are being sent; used on the event loop alone."""

    def __init__(self) -> None:
        self._count = 0

    async def send(self, send: Send, message: Any, body: Any) -> None:
        """Send a part of an answer: at once if it is the only large one, else in slices.

        Args:
            send: sends a message.
            message: the message.
            body: its body: a bytes-like object of more than `LEAST_BYTES`.
        """
        self._count += 1
        try:
            left = memoryview(body).cast("B")
            while len(left) > (size := max(_ROUND_BYTES // self._count, LEAST_BYTES)):
                slice_of: Any = {**message, "body": left[:size], "more_body": True}
                await send(slice_of)
                left = left[size:]
                await asyncio.sleep(0)  # `send` waits only once the socket is full
            rest: Any = {**message, "body": left}
            await send(rest)
        finally:
            self._count -= 1

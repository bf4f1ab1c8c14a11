"""Where writers of voxels of one version wait: whoever's turn comes takes those that wait behind it along."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from itertools import islice
from typing import TypeAlias

from dvid_labelmap.ops.grouped_writes import VoxelWrite, next_group

__all__ = ["Gathering"]

_MOST_LOOKED_AT = 64
_Entry: TypeAlias = tuple[VoxelWrite, "asyncio.Future[None]"]


class Gathering:
    """Writes that wait; used on the event loop alone.

    Args:
        turn: the lock of the version that all its writers wait for.
    """

    def __init__(self, turn: asyncio.Lock) -> None:
        self._turn = turn
        self._waiting: deque[_Entry] = deque()
        self._running: asyncio.Future[None] | None = None

    async def store(self, write: VoxelWrite, run: Callable[[Sequence[VoxelWrite]], Awaitable[None]]) -> None:
        """Return when a write is stored.

        Args:
            write: the write.
            run: stores a group in a thread, and leaves in each write what became of it.

        Raises:
            BaseException: what the write could not be stored for.
        """
        entry: _Entry = (write, asyncio.get_running_loop().create_future())
        self._waiting.append(entry)
        try:
            async with self._turn:
                if entry in self._waiting:  # nobody took it along
                    await self._store_next(run)
        except asyncio.CancelledError:
            entry[1].cancel()
            if entry in self._waiting:
                self._waiting.remove(entry)
            raise
        await entry[1]

    async def _store_next(self, run: Callable[[Sequence[VoxelWrite]], Awaitable[None]]) -> None:
        count = next_group([write for write, _ in islice(self._waiting, _MOST_LOOKED_AT)])
        group = [self._waiting.popleft() for _ in range(count)]
        task = self._running = asyncio.ensure_future(run([write for write, _ in group]))
        task.add_done_callback(lambda done: _tell(group, done))
        await asyncio.wait({task})  # it goes on for the others even if this request is given up


def _tell(group: Sequence[_Entry], task: asyncio.Future[None]) -> None:
    """Tell those who wait what became of their writes."""
    of_all = asyncio.CancelledError() if task.cancelled() else task.exception()
    for write, future in group:
        error = of_all or write.error
        if future.done():
            continue
        if error is None:
            future.set_result(None)
        elif isinstance(error, asyncio.CancelledError):
            future.cancel()
        else:
            future.set_exception(error)

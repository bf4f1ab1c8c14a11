"""Where writes wait that take less than a millisecond: one thread makes those that wait, one after the other.

Such a write does little but run Python, of which one thread can run at a time, and to hand each to a thread of its own
would take as long again. Those that were made together become durable together, while another thread makes the next.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from dvid_framework.http.work import WorkPool

if TYPE_CHECKING:
    from dvid_framework.storage.log import CommitLog

__all__ = ["BriefWrites", "Made"]

_MOST_TOGETHER = 32


class Made(NamedTuple):
    """A write that was made, and is not durable yet.

    Attributes:
        number: its number in the log.
        result: what its request is given.
    """

    number: int
    result: Any


class _Entry(NamedTuple):
    make: Callable[[], Made | None]
    future: asyncio.Future[Any]


class BriefWrites:
    """The brief writes of one instance that wait.

    Args:
        log: the log of its store.
    """

    def __init__(self, log: CommitLog) -> None:
        self._log = log
        self._guard = threading.Lock()
        self._waiting: deque[_Entry] = deque()
        self._working = False  # whether a thread is making writes
        self._called: set[str] = set()  # clients in whose turn a thread will come

    async def make(self, pool: WorkPool, make: Callable[[], Made | None]) -> Any:
        """Return the result of a write when it is durable; None if it was not made.

        Args:
            pool: whose threads make it.
            make: makes it, quickly and waiting for nobody, or returns None if that can't be.

        Raises:
            Unavailable: too many requests wait already.
            Exception: what `make` raised, or what kept it from being durable.
        """
        loop, client = asyncio.get_running_loop(), pool.admit()
        entry = _Entry(make, loop.create_future())
        with self._guard:
            self._waiting.append(entry)
            is_seen_to = self._working or client in self._called
            if not is_seen_to:
                self._called.add(client)
        if not is_seen_to:
            pool.submit(self._begin, loop, pool, client)
        return await entry.future

    def _begin(self, loop: asyncio.AbstractEventLoop, pool: WorkPool, client: str) -> None:
        with self._guard:
            self._called.discard(client)
            if self._working:
                return  # it makes all that wait
            self._working = True
        self._work(loop, pool)

    def _work(self, loop: asyncio.AbstractEventLoop, pool: WorkPool) -> None:
        """Make what waits, and have it made durable."""
        made: list[tuple[asyncio.Future[Any], Made]] = []
        while (entry := self._next(len(made))) is not None:
            if entry.future.cancelled():
                continue
            try:
                found = entry.make()
            except BaseException as error:  # noqa: BLE001 - it is the request's, which waits for it
                _call(loop, _fail, [entry.future], error)
                continue
            if found is None:
                _call(loop, _answer, [(entry.future, Made(0, None))])
            else:
                made.append((entry.future, found))
        if len(made) >= _MOST_TOGETHER:
            pool.submit(self._begin, loop, pool, "")  # others may wait
        if made:
            self._log.when_durable(made[-1][1].number, lambda failure: _settle(loop, made, failure))

    def _next(self, count: int) -> _Entry | None:
        with self._guard:
            if self._waiting and count < _MOST_TOGETHER:
                return self._waiting.popleft()
            self._working = False
            return None


def _settle(
    loop: asyncio.AbstractEventLoop, made: list[tuple[asyncio.Future[Any], Made]], failure: Exception | None
) -> None:
    if failure is None:
        _call(loop, _answer, made)
    else:
        _call(loop, _fail, [future for future, _ in made], failure)


def _call(loop: asyncio.AbstractEventLoop, function: Callable[..., None], *args: Any) -> None:
    with contextlib.suppress(RuntimeError):  # the loop has ended, and with it who waits
        loop.call_soon_threadsafe(function, *args)


def _answer(made: list[tuple[asyncio.Future[Any], Made]]) -> None:
    for future, (_, result) in made:
        if not future.done():
            future.set_result(result)


def _fail(futures: list[asyncio.Future[Any]], error: BaseException) -> None:
    for future in futures:
        if not future.done():
            future.set_exception(error)

"""Threads for what requests do on voxels and stores: clients by turns, and nobody's queue without an end."""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Executor, Future
from contextvars import ContextVar
from functools import partial
from queue import SimpleQueue
from typing import Any, ParamSpec, TypeVar

from dvid_framework.errors import Unavailable
from dvid_framework.http.neighbours import Neighbours
from dvid_framework.http.turns import Turns

__all__ = ["RequestWork", "WorkPool", "processors", "yield_to_others"]

_NICE = 5  # threads that work yield to the one that talks to all clients
_FEWEST_BESIDE = 2  # of one client beside others, so that it does not wait for itself
_R = TypeVar("_R")
_P = ParamSpec("_P")


class RequestWork:
    """A request that has things done in threads.

    Attributes:
        client: whose it is; each client has a queue of its own.
        admitted: whether it counts already: what has begun is not refused in its midst.
    """

    __slots__ = ("admitted", "client")

    def __init__(self, client: str) -> None:
        self.client = client
        self.admitted = False


_Item = Callable[[], None]
_current: ContextVar[RequestWork | None] = ContextVar("dvid_request_work", default=None)


class WorkPool(Executor):
    """As many things at a time as there are threads; what waits is taken from one client after the other.

    More threads that compute than there are processors make nothing faster, but have each other, and the event loop,
    wait for the interpreter's lock. So a client gets all threads, some of which may wait for a disk, only while it is
    alone; beside others it has at most as many as there are processors.

    Args:
        threads: how many threads.
        of_client: how many requests of one client may run or wait.
        in_all: how many of all clients together.
        neighbours: tells whether a client is alone.
        beside: how many things of one client run at a time if it is not.
    """

    def __init__(
        self,
        threads: int,
        of_client: int,
        in_all: int,
        neighbours: Neighbours | None = None,
        beside: int | None = None,
    ) -> None:
        self._most, self._free = threads, threads
        self._idle = 0  # threads that wait, and for which nothing is ready
        self._ready: SimpleQueue[tuple[str, _Item] | None] = SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._ended = False
        self._of_client, self._in_all = of_client, in_all
        self._neighbours = neighbours or Neighbours()
        self._beside = max(processors(), _FEWEST_BESIDE) if beside is None else beside
        self._lock = threading.Lock()
        self._waiting = Turns[_Item]()
        self._running: Counter[str] = Counter()
        self._requests: dict[str, int] = {}
        self._count = 0

    # -- requests

    def begin(self, client: str) -> RequestWork:
        """Note whose request the current task answers."""
        work = RequestWork(client)
        _current.set(work)
        return work

    def end(self, work: RequestWork) -> None:
        """Note that it is answered."""
        if work.admitted:
            with self._lock:
                self._count -= 1
                left = self._requests[work.client] - 1
                if left:
                    self._requests[work.client] = left
                else:
                    del self._requests[work.client]

    def admit(self) -> str:
        """Count the request that the current task answers, which waits elsewhere for a thread; returns its client.

        Raises:
            Unavailable: too many requests wait already, of this client or of all.
        """
        work = _current.get()
        if work is None:
            return ""
        if not work.admitted:
            with self._lock:
                self._admit(work)
        return work.client

    def _admit(self, work: RequestWork) -> None:
        own = self._requests.get(work.client, 0)
        if own >= self._of_client:
            raise Unavailable(f"{own} requests of yours are being worked on or wait; try again")
        if self._count >= self._in_all:
            raise Unavailable(f"{self._count} requests are being worked on or wait; try again")
        work.admitted = True
        self._requests[work.client] = own + 1
        self._count += 1

    # -- work

    def submit(self, function: Callable[_P, _R], /, *args: _P.args, **kwargs: _P.kwargs) -> Future[_R]:
        """Have a function called in a thread.

        Raises:
            Unavailable: too many requests wait already, of this client or of all.
        """
        future = Future[_R]()
        self._add(partial(_do, future, partial(function, *args, **kwargs)))
        return future

    def start(self, function: Callable[[], _R]) -> asyncio.Future[_R]:
        """As `submit`, for who is on an event loop: this is what `run_in_executor` does, in half the time.

        Raises:
            Unavailable: too many requests wait already, of this client or of all.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[_R] = loop.create_future()
        self._add(partial(_do_for_loop, loop, future, function))
        return future

    def _add(self, item: _Item) -> None:
        work = _current.get()
        client = work.client if work else ""
        if client:
            self._neighbours.notice(client)
        with self._lock:
            if self._ended:
                raise RuntimeError("the threads have ended")
            if work is not None and not work.admitted:
                self._admit(work)
            self._waiting.put(client, item)
            self._hand_out()

    def _hand_out(self) -> None:
        """Give what may run to threads that are free."""
        while self._free and not self._ended and (found := self._take()) is not None:
            self._free -= 1
            self._ready.put(found)
            if self._idle:
                self._idle -= 1
            else:
                thread = threading.Thread(target=self._work, name=f"work_{len(self._threads)}", daemon=True)
                self._threads.append(thread)
                thread.start()

    def _take(self) -> tuple[str, _Item] | None:
        """Return what the next client that may have one more thread has waited for longest."""
        if not self._waiting:
            return None
        most = self._beside if self._neighbours.several else self._most
        found = self._waiting.take(lambda client: self._running[client] < most)
        if found is not None:
            self._running[found[0]] += 1
        return found

    def _work(self) -> None:
        yield_to_others()
        given = self._ready.get()
        while given is not None:
            client, item = given
            item()
            given = self._next(client) or self._ready.get()

    def _next(self, client: str) -> tuple[str, _Item] | None:
        """Return what is next after something of a client; give the thread back if there is nothing."""
        with self._lock:
            self._running[client] -= 1
            if not self._running[client]:
                del self._running[client]
            found = self._take()
            if found is None:
                self._free += 1
                self._idle += 1
            else:
                self._hand_out()  # who is alone again may have more
            return found

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End the threads once all that waits is done."""
        del cancel_futures
        with self._lock:
            self._ended, threads = True, list(self._threads)
        for _ in threads:
            self._ready.put(None)
        if wait:
            for thread in threads:
                thread.join()


def _do(future: Future[Any], function: Callable[[], Any]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        result = function()
    except BaseException as error:  # noqa: BLE001 - it is the future's, whoever waits for it
        future.set_exception(error)
    else:
        future.set_result(result)


def _do_for_loop(loop: asyncio.AbstractEventLoop, future: asyncio.Future[_R], function: Callable[[], _R]) -> None:
    if future.cancelled():  # only to save work: it may be so in a moment
        return
    try:
        settle = partial(_succeed, future, function())
    except BaseException as error:  # noqa: BLE001 - likewise
        settle = partial(_fail, future, error)
    with contextlib.suppress(RuntimeError):  # the loop was closed: nobody waits
        loop.call_soon_threadsafe(settle)


def _succeed(future: asyncio.Future[_R], result: _R) -> None:
    if not future.done():
        future.set_result(result)


def _fail(future: asyncio.Future[Any], error: BaseException) -> None:
    if not future.done():
        future.set_exception(error)


def processors() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def yield_to_others() -> None:
    """Have the calling thread yield: Linux has a priority for each; elsewhere nothing is lost but evenness."""
    with contextlib.suppress(OSError, AttributeError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)

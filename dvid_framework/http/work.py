"""Threads for what requests do on voxels and stores: clients by turns, and nobody's queue without an end."""

from __future__ import annotations

import contextlib
import os
import threading
from collections import OrderedDict, deque
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextvars import ContextVar
from typing import Any, ParamSpec, TypeVar

from dvid_framework.errors import Unavailable

__all__ = ["RequestWork", "WorkPool"]

_NICE = 5  # threads that work yield to the one that talks to all clients
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


_Item = tuple[Future[Any], Callable[[], Any]]
_current: ContextVar[RequestWork | None] = ContextVar("dvid_request_work", default=None)


class WorkPool(Executor):
    """As many things at a time as there are threads; what waits is taken from one client after the other.

    Args:
        threads: how many threads.
        of_client: how many requests of one client may run or wait.
        in_all: how many of all clients together.
    """

    def __init__(self, threads: int, of_client: int, in_all: int) -> None:
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="work", initializer=_yield_to_others)
        self._free = threads
        self._of_client, self._in_all = of_client, in_all
        self._lock = threading.Lock()
        self._waiting: OrderedDict[str, deque[_Item]] = OrderedDict()
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
        work, future = _current.get(), Future[_R]()
        item = (future, lambda: function(*args, **kwargs))
        with self._lock:
            if work is not None and not work.admitted:
                self._admit(work)
            if not self._free:
                self._waiting.setdefault(work.client if work else "", deque()).append(item)
                return future
            self._free -= 1
        self._threads.submit(self._work, item)
        return future

    def _work(self, item: _Item | None) -> None:
        while item is not None:
            _do(*item)
            item = self._next()

    def _next(self) -> _Item | None:
        """Return what the next client has waited for longest; give the thread back if there is nothing."""
        with self._lock:
            if not self._waiting:
                self._free += 1
                return None
            client, queue = self._waiting.popitem(last=False)
            item = queue.popleft()
            if queue:
                self._waiting[client] = queue  # behind all others
            return item

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End the threads once all that waits is done."""
        self._threads.shutdown(wait, cancel_futures=cancel_futures)


def _do(future: Future[Any], function: Callable[[], Any]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        result = function()
    except BaseException as error:  # noqa: BLE001 - it is the future's, whoever waits for it
        future.set_exception(error)
    else:
        future.set_result(result)


def _yield_to_others() -> None:
    """Linux has a priority for each thread; where there is none, nothing is lost but evenness."""
    with contextlib.suppress(OSError, AttributeError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)

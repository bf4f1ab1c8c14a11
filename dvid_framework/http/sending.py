"""Threads that write to sockets: copying megabytes to the system is their work, and not that of the event loop."""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from collections.abc import Callable
from functools import partial
from queue import SimpleQueue
from typing import NamedTuple

from dvid_framework.http.turns import Turns
from dvid_framework.http.work import processors, yield_to_others

__all__ = ["Sender", "Written"]

_MOST_THREADS = 2  # each copies more than a gigabyte a second
Written = Callable[[int, OSError | None], None]
"""Takes how many bytes were written, and what is wrong with the connection."""


class _Write(NamedTuple):
    loop: asyncio.AbstractEventLoop
    descriptor: int
    data: memoryview
    then: Written

    def do(self) -> None:
        """Write as much as the system takes now."""
        count, error = 0, None
        try:
            while count < len(self.data):
                count += os.write(self.descriptor, self.data[count:])
        except BlockingIOError:
            pass  # the other side has to read first
        except OSError as failure:
            error = failure
        with contextlib.suppress(RuntimeError):  # the loop was closed: nobody waits
            self.loop.call_soon_threadsafe(partial(self.then, count, error))


class Sender:
    """Writes for connections, which take turns client by client.

    No thread ever waits for who reads slowly: what the system does not take at once is the connection's to try again.

    Args:
        threads: how many threads.
    """

    def __init__(self, threads: int | None = None) -> None:
        self._most = max(1, min(processors() - 1, _MOST_THREADS)) if threads is None else threads
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()
        self._waiting = Turns[_Write]()
        self._ready: SimpleQueue[bool] = SimpleQueue()  # something waits, or (False) the end has come

    def write(
        self, client: str, loop: asyncio.AbstractEventLoop, descriptor: int, data: memoryview, then: Written
    ) -> None:
        """Have bytes written to a socket that does not block.

        Args:
            client: whose connection it is.
            loop: the event loop on which `then` is called.
            descriptor: the socket's; it stays open until then.
            data: the bytes.
            then: is told how many of them the system has taken.
        """
        with self._lock:
            self._waiting.put(client, _Write(loop, descriptor, data, then))
            if len(self._threads) < self._most:
                thread = threading.Thread(target=self._work, name=f"send_{len(self._threads)}", daemon=True)
                self._threads.append(thread)
                thread.start()
        self._ready.put(True)

    def _work(self) -> None:
        yield_to_others()
        while self._ready.get():
            with self._lock:
                found = self._waiting.take()
            if found is not None:
                found[1].do()
                del found  # and with it the bytes

    def shutdown(self) -> None:
        """End the threads once all that waits is written."""
        with self._lock:
            threads = list(self._threads)
        for _ in threads:
            self._ready.put(False)
        for thread in threads:
            thread.join()

"""A connection's transport whose large writes are made by threads while others wait for the event loop.

The loop talks to all clients. Copying megabytes to the system takes it milliseconds, and uvloop holds the interpreter's
lock meanwhile; a thread that writes to a socket holds nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections import deque
from collections.abc import Callable
from typing import Any

from dvid_framework.http.sending import Sender

__all__ = ["LEAST_BYTES", "SharedTransport"]

LEAST_BYTES = 512 << 10
"""Less is sooner written than a thread is asked."""


class SharedTransport(asyncio.Transport):
    """Writes what is small by a transport and what is large by threads, all in order; used on the event loop alone.

    Args:
        transport: the connection's own, which reads, and closes.
        protocol: is told to pause while a thread writes. `resume_writing` of the transport's protocol must call
            `went_on` first, and do nothing if it returns True; `connection_lost` must call `lose`.
        loop: the event loop.
        sender: has the threads.
        by_threads: tells whether they are to be used.
    """

    def __init__(
        self,
        transport: asyncio.Transport,
        protocol: asyncio.BaseProtocol,
        loop: asyncio.AbstractEventLoop,
        sender: Sender,
        by_threads: Callable[[], bool],
    ) -> None:
        super().__init__()
        self._transport = transport
        self._protocol = protocol
        self._loop = loop
        self._sender = sender
        self._by_threads = by_threads
        peer = transport.get_extra_info("peername")
        self._client = str(peer[0]) if isinstance(peer, tuple) else ""
        self._waiting: deque[memoryview] = deque()
        self._descriptor = -1  # our own: the system gives its number to nobody else while a thread writes
        self._with_thread = False
        self._behind_transport = False  # which has something left that came before
        self._lost = False
        self._closing = False

    @property
    def with_thread(self) -> bool:
        """Whether it is a thread of ours that is waited for, and not the other side."""
        return self._with_thread

    # -- writing

    def write(self, data: Any) -> None:
        """Write bytes; the protocol is paused if they are not taken at once."""
        if self._lost:
            return
        if not self._waiting and (len(data) < LEAST_BYTES or not self._by_threads() or not self._begin()):
            self._transport.write(data)
        elif len(data) and not self._closing:
            self._waiting.append(memoryview(data).cast("B"))
            if len(self._waiting) == 1:
                self._protocol.pause_writing()
                self._go_on_after_transport()

    def _begin(self) -> bool:
        """Get a descriptor; False if there is none, or no connection."""
        if self.is_closing():
            return False
        try:
            self._descriptor = os.dup(self._transport.get_extra_info("socket").fileno())
        except OSError:
            return False
        return True

    def _go_on_after_transport(self) -> None:
        self._behind_transport = self._transport.get_write_buffer_size() > 0
        if self._behind_transport:
            self._transport.set_write_buffer_limits(high=0)  # so that it says when it has nothing left
        else:
            self._go_on()

    def went_on(self) -> bool:
        """Go on now that the transport may be written to; False if nothing is to be written but by the protocol."""
        if not self._waiting:
            return False
        if self._behind_transport:
            self._transport.set_write_buffer_limits()
            self._go_on_after_transport()
        return True

    def _go_on(self) -> None:
        self._with_thread = True
        self._sender.write(self._client, self._loop, self._descriptor, self._waiting[0], self._written)

    def _written(self, count: int, error: OSError | None) -> None:
        self._with_thread = False
        if self._lost:
            self._end()
            return
        if error is not None:
            self.abort()
            return
        if left := self._waiting[0][count:]:
            self._waiting[0] = left
            self._loop.add_writer(self._descriptor, self._writable)
            return
        self._waiting.popleft()
        if self._waiting:
            self._go_on()
            return
        self._end()
        if self._closing:
            self._transport.close()
        else:
            self._protocol.resume_writing()

    def _writable(self) -> None:
        self._loop.remove_writer(self._descriptor)
        self._go_on()

    def _end(self) -> None:
        """Forget what is left, and give the descriptor back."""
        self._waiting.clear()
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            self._loop.remove_writer(descriptor)
            os.close(descriptor)

    def get_write_buffer_size(self) -> int:
        """Return how many bytes are still to be written."""
        return sum(map(len, self._waiting)) + self._transport.get_write_buffer_size()

    # -- closing

    def lose(self) -> None:
        """Forget what is to be written: the connection is lost."""
        self._lost = True
        if not self._with_thread:  # else that is done once the thread is
            self._end()

    def close(self) -> None:
        """Close the connection once all is written."""
        if self._waiting and not self._lost:
            self._closing = True
            self._transport.pause_reading()
        else:
            self._transport.close()

    def is_closing(self) -> bool:
        """Tell whether the connection is closed or about to be."""
        return self._closing or self._lost or self._transport.is_closing()

    def abort(self) -> None:
        """Close the connection at once."""
        if self._with_thread:
            self._shut_down()
        self.lose()
        self._transport.abort()

    def _shut_down(self) -> None:
        """Have the thread's write fail: its descriptor alone would keep the connection open until all is written."""
        connection = socket.socket(fileno=self._descriptor)
        with contextlib.suppress(OSError):  # the other side has gone already
            connection.shutdown(socket.SHUT_RDWR)
        connection.detach()

    # -- the rest is the transport's

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Return what is known of the connection."""
        return self._transport.get_extra_info(name, default)

    def pause_reading(self) -> None:
        """Read no more."""
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Read on."""
        if not self._closing:
            self._transport.resume_reading()

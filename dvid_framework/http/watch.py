"""Watches over connections: nobody holds one, its memory or its place for longer than the configuration allows."""

from __future__ import annotations

import asyncio
import socket
import struct
from dataclasses import dataclass
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

__all__ = ["Bounds", "WatchedProtocol"]

# Of a body that was refused so much is thrown away unseen: most clients read the answer only when they have sent all.
_DISCARDED_BYTES = 32 << 20
_DISCARDING_SECONDS = 2.0
_LINGER_NOT = struct.pack("ii", 1, 0)
_FULL = b"the server has as many connections as it may have; try again\n"
_REFUSAL = b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\nconnection: close\r\ncontent-length: %d\r\n\r\n%b"


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a connection may take; see `LimitSettings`."""

    head_bytes: int
    head_seconds: float
    stall_seconds: float
    slowest_bytes: int
    request_seconds: float
    connections: int


class WatchedProtocol(HttpToolsProtocol):
    """uvicorn's protocol, with bounds on the head of a request, and on clients that stall, trickle or do not read.

    The parser itself has none: one client could fill the memory with a header that never ends, and many could hold
    all connections for nothing.
    """

    def __init__(self, *args: Any, bounds: Bounds, **options: Any) -> None:
        super().__init__(*args, **options)
        self._bounds = bounds
        self._head_bytes = 0
        self._expects_head = True  # a request has begun, or a new connection has sent nothing yet
        self._expects_body = False
        self._since = 0.0  # when the head began, or since when the parts of the body count
        self._body_bytes = 0  # of the body since then
        self._began = 0.0  # when the head was complete
        self._unread: tuple[float, int] | None = None  # since when the other side reads too slowly, and what was left
        self._discarded: int | None = None  # bytes of a body that came after its answer
        self._watch: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._since = self.loop.time()
        if len(self.connections) > self._bounds.connections:
            transport.write(_REFUSAL % (len(_FULL), _FULL))
            transport.close()
        self._watch_again()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._watch is not None:
            self._watch.cancel()
        super().connection_lost(exc)

    # -- looking now and then

    def _watch_again(self) -> None:
        self._watch = self.loop.call_later(min(self._bounds.head_seconds, self._bounds.stall_seconds) / 2, self._look)

    def _look(self) -> None:
        now = self.loop.time()
        if self._does_not_read(now) or self._lasts_too_long(now):
            self._cut()
            return
        if not self.transport.is_closing() and self._stalls(now):
            self.transport.close()
        self._watch_again()

    def _cut(self) -> None:
        """Close the connection at once: what the system still has to send for us is thrown away too."""
        connection = self.transport.get_extra_info("socket")
        if connection is not None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)
        self.transport.abort()

    def _stalls(self, now: float) -> bool:
        """Tell whether a head is late, or a body comes too slowly; not where it is us who don't take it."""
        waited = now - self._since
        if self._expects_head:
            return waited > self._bounds.head_seconds
        if not self._expects_body or self.flow.read_paused:
            self._since, self._body_bytes = now, 0
        elif waited > self._bounds.stall_seconds:
            if self._body_bytes < self._bounds.slowest_bytes * waited:
                return True
            self._since, self._body_bytes = now, 0
        return False

    def _does_not_read(self, now: float) -> bool:
        """Tell whether the other side takes what waits for it too slowly."""
        if not self.flow.write_paused and not self.transport.is_closing():
            self._unread = None
            return False
        left = self.transport.get_write_buffer_size()
        if self._unread is None:
            self._unread = now, left
        since, before = self._unread
        if now - since <= self._bounds.stall_seconds:
            return False
        if before - left < self._bounds.slowest_bytes * (now - since):
            return True
        self._unread = now, left
        return False

    def _lasts_too_long(self, now: float) -> bool:
        cycle = self.cycle
        return cycle is not None and not cycle.response_complete and now - self._began > self._bounds.request_seconds

    def resume_writing(self) -> None:
        self._unread = None
        super().resume_writing()

    # -- what comes

    def data_received(self, data: bytes) -> None:
        if self._expects_head:
            self._head_bytes += len(data)
        else:
            self._body_bytes += len(data)
        if self._discarded is not None:
            self._discarded += len(data)
        super().data_received(data)
        if self._discarded is not None and self._discarded > _DISCARDED_BYTES:
            self.flow.pause_reading()
        most = self._bounds.head_bytes
        if self._expects_head and self._head_bytes > most and not self.transport.is_closing():
            self.send_400_response(f"the head of a request has at most {most} bytes")

    def on_message_begin(self) -> None:
        super().on_message_begin()
        if not self._expects_head:
            self._expects_head, self._since = True, self.loop.time()

    def on_headers_complete(self) -> None:
        self._expects_head, self._expects_body, self._head_bytes = False, True, 0
        self._began = self._since = self.loop.time()
        self._body_bytes = 0
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        if not self.cycle.body:
            self.cycle.body = b""  # type: ignore[assignment]  # taken as it is; a bytearray costs two copies more
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._expects_body = False
        self._discarded = None
        super().on_message_complete()

    def on_response_complete(self) -> None:
        unwanted = self._expects_body and not self.pipeline and not self.transport.is_closing()
        super().on_response_complete()
        if unwanted:
            self._discarded = 0
            self.loop.call_later(_DISCARDING_SECONDS, self._end_discarding)

    def _end_discarding(self) -> None:
        """Close the connection if the rest of a body that was refused has not come by now."""
        if self._discarded is not None and not self.transport.is_closing():
            self.transport.close()

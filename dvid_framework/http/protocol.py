"""The socket's side of a connection: uvicorn's, with bounds on the head of a request and on clients that stall.

What can be answered at once is: a GET without a body that dispatch answers whole needs no task, and one write.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from dvid_framework.http.answers import Bytes
from dvid_framework.http.dispatch import BEGUN, Dispatch

__all__ = ["BoundedProtocol", "bounded_protocol"]

_OF_BODIES = frozenset({b"content-length", b"transfer-encoding", b"expect"})


class BoundedProtocol(HttpToolsProtocol):
    """Closes connections whose request line and headers are too long or too slow, and those whose body stalls.

    The parser itself has no bound on either: one client could fill the memory with a header that never ends.

    Args:
        dispatch: what is asked for answers that need no task.
        head_bytes: how long request line and headers may be together.
        head_seconds: how long they may take.
        stall_seconds: how long a body may pause.
    """

    def __init__(
        self,
        *args: Any,
        dispatch: Dispatch,
        head_bytes: int,
        head_seconds: float,
        stall_seconds: float,
        **options: Any,
    ) -> None:
        super().__init__(*args, **options)
        self._dispatch = dispatch
        self._answered = False
        self._most_head_bytes = head_bytes
        self._head_seconds = head_seconds
        self._stall_seconds = stall_seconds
        self._head_bytes = 0
        self._expects_head = True  # a request has begun, or a new connection has sent nothing yet
        self._expects_body = False
        self._since = 0.0  # when the head began, or when a part of the body came
        self._watch: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._since = self.loop.time()
        self._watch_again()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._watch is not None:
            self._watch.cancel()
        super().connection_lost(exc)

    def _watch_again(self) -> None:
        self._watch = self.loop.call_later(min(self._head_seconds, self._stall_seconds) / 2, self._look)

    def _look(self) -> None:
        waited = self.loop.time() - self._since
        if self._expects_head:
            stalled = waited > self._head_seconds
        else:
            stalled = self._expects_body and not self.flow.read_paused and waited > self._stall_seconds
        if stalled and not self.transport.is_closing():
            self.transport.close()
        else:
            self._watch_again()

    def data_received(self, data: bytes) -> None:
        if self._expects_head:
            self._head_bytes += len(data)
        else:
            self._since = self.loop.time()
        super().data_received(data)
        if self._expects_head and self._head_bytes > self._most_head_bytes and not self.transport.is_closing():
            self.send_400_response(f"the head of a request has at most {self._most_head_bytes} bytes")

    def on_message_begin(self) -> None:
        super().on_message_begin()
        if not self._expects_head:
            self._expects_head, self._since = True, self.loop.time()

    def on_headers_complete(self) -> None:
        self._expects_head, self._expects_body, self._head_bytes = False, True, 0
        if self._may_be_quick():
            path, _, query = self.url.partition(b"?")
            begun = self._dispatch.begin(path, query, self.headers, self.client[0] if self.client else "")
            if isinstance(begun, Bytes):
                self._answered = True
                self._write(begun)
                return
            if begun is not None:
                self.scope[BEGUN] = begun  # type: ignore[literal-required]  # ours
        super().on_headers_complete()

    def _may_be_quick(self) -> bool:
        """Tell whether a request is a GET without a body that nothing before it holds up."""
        parser, url = self.parser, self.url
        return (
            parser.get_method() == b"GET"
            and (self.cycle is None or self.cycle.response_complete)
            and not self.flow.write_paused
            and not self.transport.is_closing()
            and parser.get_http_version() == "1.1"
            and parser.should_keep_alive()
            and not parser.should_upgrade()
            and url[:1] == b"/"
            and url[:2] != b"//"
            and b"#" not in url
            and _OF_BODIES.isdisjoint([name for name, _ in self.headers])
        )

    def _write(self, answer: Bytes) -> None:
        """Send a whole answer."""
        fields = [*self.server_state.default_headers, *answer.headers]
        head = b"".join([b"%b: %b\r\n" % field for field in fields])
        if head.count(b"\r") != len(fields) or head.count(b"\n") != len(fields):
            raise RuntimeError("a header of an answer has more than one line")
        self.transport.write(b"".join((STATUS_LINE[answer.status], head, b"\r\n", answer.body)))
        self.on_response_complete()

    def on_message_complete(self) -> None:
        self._expects_body = False
        if self._answered:
            self._answered = False
        else:
            super().on_message_complete()


def bounded_protocol(dispatch: Dispatch, head_bytes: int, head_seconds: float, stall_seconds: float) -> Any:
    """Return what uvicorn takes as its `http` option; see `BoundedProtocol`."""
    return partial(
        BoundedProtocol,
        dispatch=dispatch,
        head_bytes=head_bytes,
        head_seconds=head_seconds,
        stall_seconds=stall_seconds,
    )

"""The socket's side of a connection: uvicorn's, watched over.

What can be answered at once is: a GET without a body that dispatch answers whole needs no task, and one write. Most
clients send the same header fields with each request; where they are, byte for byte, those of the last request that was
answered so, only the request line is read, and the parser is not asked again.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from functools import cache, partial
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

from dvid_framework.http.answers import WHOLE, Bytes, Quick
from dvid_framework.http.dispatch import BEGUN, Begun, Dispatch
from dvid_framework.http.shared_transport import SharedTransport
from dvid_framework.http.watch import Bounds, WatchedProtocol
from dvid_framework.http.watchful import Watchful

__all__ = ["BoundedProtocol", "bounded_protocol"]

_OF_BODIES = frozenset({b"content-length", b"transfer-encoding", b"expect"})
_END = b"\r\n\r\n"
_JOINED_BYTES = 32 << 10  # up to here a copy is quicker than a list of parts
# Less than the parser takes: what is not this is left to the parser.
_plain_line = re.compile(
    rb"GET (/(?!/)[A-Za-z0-9/._~!$&'()*+,;=:@%-]*)(?:\?([A-Za-z0-9/._~!$&'()*+,;=:@%?-]*))? HTTP/1\.1"
).fullmatch


class BoundedProtocol(WatchedProtocol):
    """A watched connection that answers at once what it can.

    Args:
        dispatch: what is asked for answers that need no task.
        bounds: what a connection may take.
    """

    def __init__(
        self, *args: Any, dispatch: Dispatch, bounds: Bounds, watchful: Callable[[Any], Watchful], **options: Any
    ) -> None:
        super().__init__(*args, bounds=bounds, **options)
        self._dispatch = dispatch
        self._watchful = watchful(self.loop)
        self._answered = False
        self._begun: Begun | None = None
        self._data = b""  # what the parser reads now, if it begins a request
        self._known = b""  # from the end of the request line on, of the last request if it was answered at once
        self._known_headers: list[tuple[bytes, bytes]] = []
        self._last_known = 0.0  # when the last such request came that the parser has not seen
        self._defaults: Any = None
        self._beginnings: dict[int, bytes] = {}  # of answers by status: status line and default fields

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        dispatch = self._dispatch
        self._shared = SharedTransport(
            transport, self, self.loop, dispatch.sender, lambda: dispatch.large.beside_others
        )
        super().connection_made(self._shared)

    def connection_lost(self, exc: Exception | None) -> None:
        self._shared.lose()
        super().connection_lost(exc)

    def resume_writing(self) -> None:
        if not self._shared.went_on():
            super().resume_writing()

    def _does_not_read(self, now: float) -> bool:
        if self._shared.with_thread:
            self._unread = None
            return False
        return super()._does_not_read(now)

    def data_received(self, data: bytes) -> None:
        known = self._known
        if known and data.endswith(known) and self._answers_known(data[: -len(known)]):
            return
        self._data = b"" if self._expects_head or self._expects_body else data
        super().data_received(data)
        self._data, self._begun = b"", None

    def _answers_known(self, line: bytes) -> bool:
        """Answer a request by its line, if its fields are known; False if the parser is needed for it."""
        request = _plain_line(line)
        if (
            request is None
            or self._expects_head
            or self._expects_body
            or not (self.cycle is None or self.cycle.response_complete)
            or self.flow.write_paused
            or self.transport.is_closing()
            or len(line) > self._bounds.head_bytes
        ):
            return False
        path, query = request.groups(b"")
        begun = self._dispatch.begin(path, query, self._known_headers, self.client[0] if self.client else "")
        if isinstance(begun, Quick):
            self._last_known = self.loop.time()
            self._write(begun)
            self._watchful.stay()
            self.server_state.total_requests += 1
            return True
        self._begun = begun
        return False

    def on_message_begin(self) -> None:
        self._known = b""
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        if self._may_be_quick():
            begun: Quick | Begun | None = self._begun
            if begun is None:
                path, _, query = self.url.partition(b"?")
                begun = self._dispatch.begin(path, query, self.headers, self.client[0] if self.client else "")
            if isinstance(begun, Quick):
                self._answered, self._expects_head, self._head_bytes = True, False, 0
                self._write(begun)
                self._watchful.stay()
                self.on_response_complete()
                return
            if begun is not None:
                self.scope[BEGUN] = begun  # type: ignore[literal-required]  # ours
        self._begun = None
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

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        cycle.scope[WHOLE] = partial(self._write_whole, cycle)  # type: ignore[literal-required]  # ours
        super()._start_asgi_task(cycle, app)

    def _write_whole(self, cycle: RequestResponseCycle, answer: Bytes) -> bool:
        """Send a whole answer of a task by one write, if nothing speaks against it; False if the task must send it."""
        if (
            cycle.response_started
            or cycle.disconnected
            or not cycle.keep_alive
            or cycle.waiting_for_100_continue
            or self.flow.write_paused
            or self.transport.is_closing()
        ):
            return False
        cycle.response_started = True
        self._write(answer)
        cycle.response_complete = True
        cycle.message_event.set()
        cycle.on_response()
        return True

    def _write(self, answer: Quick) -> None:
        """Send a whole answer."""
        defaults, headers = self.server_state.default_headers, answer.headers
        if defaults is not self._defaults:  # the date is another second's
            self._defaults = defaults
            self._beginnings = {}
        beginning = self._beginnings.get(answer.status) or self._beginning(answer.status)
        head = b"".join([b"%b: %b\r\n" % field for field in headers])
        if head.count(b"\r") != len(headers) or head.count(b"\n") != len(headers):
            raise RuntimeError("a header of an answer has more than one line")
        try:
            parts = (beginning, head, b"\r\n", *answer.parts)
            if answer.length <= _JOINED_BYTES:
                self.transport.write(b"".join(parts))
            else:
                self.transport.writelines(parts)
        finally:
            answer.end()

    def _beginning(self, status: int) -> bytes:
        fields = b"".join([b"%b: %b\r\n" % field for field in self._defaults])
        beginning = self._beginnings[status] = STATUS_LINE[status] + fields
        return beginning

    def on_message_complete(self) -> None:
        if not self._answered:
            super().on_message_complete()
            return
        self._answered = False
        data = self._data
        line_end = data.find(b"\r\n")
        if data.find(_END) == len(data) - len(_END) and _plain_line(data[:line_end]):  # all of it, and nothing else
            self._known, self._known_headers = data[line_end:], self.headers

    def timeout_keep_alive_handler(self) -> None:
        left = self._last_known + self.timeout_keep_alive - self.loop.time()
        if left > 0:
            self.timeout_keep_alive_task = self.loop.call_later(left, self.timeout_keep_alive_handler)
        else:
            super().timeout_keep_alive_handler()


def bounded_protocol(dispatch: Dispatch, bounds: Bounds) -> Any:
    """Return what uvicorn takes as its `http` option; see `BoundedProtocol`."""
    return partial(BoundedProtocol, dispatch=dispatch, bounds=bounds, watchful=cache(Watchful))

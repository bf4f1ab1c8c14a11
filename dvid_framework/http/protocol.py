"""The socket's side of a connection: uvicorn's, watched over.

What can be answered at once is: a GET without a body that dispatch answers whole needs no task, and one write.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from dvid_framework.http.answers import Bytes
from dvid_framework.http.dispatch import BEGUN, Dispatch
from dvid_framework.http.watch import Bounds, WatchedProtocol

__all__ = ["BoundedProtocol", "bounded_protocol"]

_OF_BODIES = frozenset({b"content-length", b"transfer-encoding", b"expect"})


class BoundedProtocol(WatchedProtocol):
    """A watched connection that answers at once what it can.

    Args:
        dispatch: what is asked for answers that need no task.
        bounds: what a connection may take.
    """

    def __init__(self, *args: Any, dispatch: Dispatch, bounds: Bounds, **options: Any) -> None:
        super().__init__(*args, bounds=bounds, **options)
        self._dispatch = dispatch
        self._answered = False

    def on_headers_complete(self) -> None:
        if self._may_be_quick():
            path, _, query = self.url.partition(b"?")
            begun = self._dispatch.begin(path, query, self.headers, self.client[0] if self.client else "")
            if isinstance(begun, Bytes):
                self._answered, self._expects_head, self._head_bytes = True, False, 0
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
        if self._answered:
            self._answered = False
        else:
            super().on_message_complete()


def bounded_protocol(dispatch: Dispatch, bounds: Bounds) -> Any:
    """Return what uvicorn takes as its `http` option; see `BoundedProtocol`."""
    return partial(BoundedProtocol, dispatch=dispatch, bounds=bounds)

"""Answers: small ASGI callables that send bytes, views and streams without copying them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from typing import Any, TypeVar

import msgspec
from litestar.types import ASGIApp, Receive, Scope, Send

from dvid_framework.http.work import WorkPool

__all__ = [
    "WHOLE",
    "Answer",
    "Bytes",
    "Later",
    "Parts",
    "Pieces",
    "Quick",
    "binary",
    "empty",
    "json_answer",
    "text_answer",
]

WHOLE = "dvid.whole"
"""Key in an ASGI scope of what sends a whole answer, `Bytes`, by one write, or tells that it can't."""
Answer = ASGIApp
"""What a route returns: annotate it so."""
Buffer = bytes | bytearray | memoryview
_json = msgspec.json.Encoder().encode
_Headers = list[tuple[bytes, bytes]]
_R = TypeVar("_R")


def _start(executor: Executor, function: Callable[[], _R]) -> asyncio.Future[_R]:
    """Have a function called in a thread."""
    if isinstance(executor, WorkPool):
        return executor.start(function)
    return asyncio.get_running_loop().run_in_executor(executor, function)


def _headers(media_type: str, length: int | None, extra: Mapping[str, str] | None) -> _Headers:
    headers: _Headers = []
    if media_type:
        headers.append((b"content-type", media_type.encode("latin-1")))
    if length is not None:
        headers.append((b"content-length", str(length).encode()))
    for name, value in (extra or {}).items():
        headers.append((name.lower().encode("latin-1"), value.encode("latin-1")))
    return headers


class Bytes:
    """A whole answer in one piece.

    Attributes:
        status: the status.
        headers: header fields by lower-case name.
        body: what is sent.
    """

    __slots__ = ("body", "headers", "status")

    def __init__(self, status: int, headers: _Headers, body: Buffer) -> None:
        self.status = status
        self.headers = headers
        self.body = body

    @property
    def length(self) -> int:
        """Bytes of the body."""
        return self.body.nbytes if isinstance(self.body, memoryview) else len(self.body)

    @property
    def parts(self) -> Sequence[Buffer]:
        """The body in parts."""
        return (self.body,)

    def with_headers(self, extra: Iterable[tuple[bytes, bytes]]) -> Bytes:
        """Return this answer with more header fields."""
        return Bytes(self.status, [*self.headers, *extra], self.body)

    def end(self) -> None:
        """Give back what it holds: nothing."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        del receive
        at_once: Callable[[Bytes], bool] | None = scope.get(WHOLE)  # type: ignore[assignment]  # ours
        if at_once is not None and at_once(self):
            return
        start: Any = {"type": "http.response.start", "status": self.status, "headers": self.headers}
        body: Any = {"type": "http.response.body", "body": self.body, "more_body": False}
        await send(start)
        await send(body)

    def to_asgi_response(self, app: Any = None, request: Any = None, **options: Any) -> Bytes:
        """Stand for a Litestar response where an exception handler gives one."""
        del app, request, options
        return self


class Parts:
    """A whole answer in several parts that are at hand; they are sent one after the other, and never joined.

    Attributes:
        status: the status.
        headers: header fields by lower-case name.
        parts: what is sent.
        length: bytes of all parts.
    """

    def __init__(
        self,
        parts: Sequence[Buffer],
        media_type: str = "application/octet-stream",
        on_end: Callable[[], None] | None = None,
    ) -> None:
        self.status = 200
        self.parts = parts
        self.length = sum(part.nbytes if isinstance(part, memoryview) else len(part) for part in parts)
        self.headers = _headers(media_type, self.length, None)
        self._on_end = on_end

    def with_headers(self, extra: Iterable[tuple[bytes, bytes]]) -> Parts:
        """Return this answer with more header fields."""
        self.headers = [*self.headers, *extra]
        return self

    def end(self) -> None:
        """Give back what it holds."""
        if self._on_end is not None:
            self._on_end()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        del scope, receive
        start: Any = {"type": "http.response.start", "status": self.status, "headers": self.headers}
        try:
            await send(start)
            for part in self.parts:
                body: Any = {"type": "http.response.body", "body": part, "more_body": True}
                await send(body)
            end: Any = {"type": "http.response.body", "body": b"", "more_body": False}
            await send(end)
        finally:
            self.end()


Quick = Bytes | Parts
"""An answer that is at hand: a short one needs no task."""


class Pieces:
    """An answer that is made piece by piece in a thread: the next piece is made while one is sent.

    An error before the first piece becomes an ordinary error; a later one can only cut the connection, so check first.
    """

    def __init__(
        self,
        pieces: Iterable[Buffer],
        executor: Executor,
        *,
        media_type: str = "application/octet-stream",
        length: int | None = None,
        headers: Mapping[str, str] | None = None,
        on_end: Callable[[], None] | None = None,
    ) -> None:
        self._pieces: Iterator[Buffer] = iter(pieces)
        self._executor = executor
        self._headers = _headers(media_type, length, headers)
        self._on_end = on_end

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        del scope, receive

        def advance() -> Buffer | None:
            return next(self._pieces, None)

        try:
            piece = await _start(self._executor, advance)
            start: Any = {"type": "http.response.start", "status": 200, "headers": self._headers}
            await send(start)
            while piece is not None:
                coming = _start(self._executor, advance)
                part: Any = {"type": "http.response.body", "body": piece, "more_body": True}
                try:
                    await send(part)
                finally:
                    piece = await coming
            end: Any = {"type": "http.response.body", "body": b"", "more_body": False}
            await send(end)
        finally:
            if self._on_end is not None:
                self._on_end()


class Later:
    """An answer that is made in a thread: what a point read gives where it would take too long on the event loop.

    Args:
        make: makes the answer, or raises what is wrong.
        executor: where it runs: the server's pool.
    """

    __slots__ = ("_executor", "_make")

    def __init__(self, make: Callable[[], Answer], executor: Executor) -> None:
        self._make = make
        self._executor = executor

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Make it, and send it."""
        answer = await _start(self._executor, self._make)
        await answer(scope, receive, send)


def binary(
    body: Buffer,
    media_type: str = "application/octet-stream",
    headers: Mapping[str, str] | None = None,
    status: int = 200,
) -> Bytes:
    """Return an answer of bytes."""
    length = body.nbytes if isinstance(body, memoryview) else len(body)
    return Bytes(status, _headers(media_type, length, headers), body)


def json_answer(value: Any, status: int = 200) -> Answer:
    """Return an answer of JSON; value may hold msgspec structs, lists, dictionaries, texts and numbers."""
    return binary(_json(value), "application/json", status=status)


def text_answer(text: str, status: int = 200, headers: Mapping[str, str] | None = None) -> Bytes:
    """Return an answer of plain text."""
    return binary(text.encode(errors="replace"), "text/plain; charset=utf-8", headers, status)


def empty(status: int = 200, headers: Mapping[str, str] | None = None) -> Bytes:
    """Return an answer without body and content type."""
    return Bytes(status, _headers("", 0, headers), b"")

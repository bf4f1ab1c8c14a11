"""Dispatch: a thin ASGI layer before Litestar that knows repos, versions and instances, and nothing of their data.

It resolves the UUID and the instance, refuses mutations of committed versions, and rewrites the path of a request below
an instance to the hidden prefix of its type. It also owns what the API does its own way: OPTIONS, HEAD, 404 and 400,
extra segments and trailing slashes. The decoded raw path is split at '/': an escaped slash is a slash, and bytes that
are no UTF-8 pass as surrogates.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import unquote_to_bytes

from litestar.types import ASGIApp, Receive, Send

from dvid_framework.errors import BadRequest, Locked
from dvid_framework.http.answers import WHOLE, Answer, Bytes, Quick, empty
from dvid_framework.http.auth import check_local_mutation, has_admin_token
from dvid_framework.http.call import CALL, Call, ClientGone, parse_query
from dvid_framework.http.errors import error_answer, page_not_found
from dvid_framework.http.following import Afterwards, must_wait
from dvid_framework.http.large_answers import LEAST_BYTES, LargeAnswers
from dvid_framework.http.pages import page_headers
from dvid_framework.http.places import Place, Places
from dvid_framework.http.table import MOUNT, Bound, CoreTable, TypeTable, allow

if TYPE_CHECKING:
    from dvid_framework.http.documentation import Documentation
    from dvid_framework.server import Server

__all__ = ["BEGUN", "Begun", "Dispatch", "Meter"]

BEGUN = "dvid.begun"
"""Key of a `Begun` in an ASGI scope."""

_R = TypeVar("_R")
_READS = frozenset({"GET", "HEAD", "OPTIONS"})
_CHILD_MAKERS = frozenset({"branch", "newversion", "tag"})
_AT_ONCE_BYTES = 1 << 20  # a longer answer is sent slice by slice, as the other side takes it
_SILENT = frozenset({"/api/load", "/api/heartbeat", "/api/user-latencies"})


class Dispatch:
    """The outermost ASGI application."""

    def __init__(
        self,
        server: Server,
        app: ASGIApp,
        core: CoreTable,
        types: dict[str, TypeTable],
        pages: list[list[str]],
        documentation: Documentation,
    ) -> None:
        """Put it before an application.

        Args:
            server: the server.
            app: the application.
            core: the core's addresses.
            types: those below instances, by type.
            pages: first segments of what the application answers outside of `/api`.
            documentation: what answers below `/schema`.
        """
        self._server = server
        self._app = app
        self._core = core
        self._types = types
        self._places = Places(server.repos, server.instances, types)
        self._guard, self._cors = server.guard, server.cors
        self._web_client = server.web_client
        self._pages = [*pages, ["schema"]]
        self.documentation = documentation
        self.large, self.sender = LargeAnswers(server.neighbours), server.sender
        self._asks_first = self._guard is not None or self._cors is not None

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        scope = dict(scope)  # a copy: the socket's side logs the path as it came
        begun: Begun | None = scope.pop(BEGUN, None)
        if begun is None:
            raw = scope.get("raw_path") or scope["path"].encode()
            begun = self._new_call(scope["method"], raw, scope["query_string"], list(scope["headers"]))
        call, answer = begun.call, begun.answer
        extra = () if self._cors is None else self._cors.headers(scope["headers"], call.path)
        meter = Meter(scope, receive, send, self.large, extra)
        meter.at_once = scope.pop(WHOLE, None)
        scope[CALL] = call
        work = self._server.pool.begin(meter.client)
        try:
            if answer is None and self._asks_first:
                answer = await self._ask_first(call, meter.client)
            work.client = call.proven or work.client
            self._server.neighbours.notice(work.client)
            if answer is None:
                answer = self._answer(begun)
            scope.update(begun.changes)
            if meter.at_once is not None and answer is not self._app:
                scope[WHOLE] = meter.send_whole
            await answer(scope, meter.receive, meter.send)
        except ClientGone:
            meter.status = ClientGone.status
        except Exception as error:  # noqa: BLE001 - the boundary: whatever a route raises becomes an answer here
            await self._answer_error(scope, call, meter, error)
        finally:
            call.finish()
            self._server.pool.end(work)
            if call.path not in _SILENT:
                self._server.activity.request(call, meter, time.perf_counter() - begun.began)

    def begin(self, raw: bytes, query: bytes, headers: list[tuple[bytes, bytes]], client: str) -> Quick | Begun | None:
        """Judge a GET without a body before there is a task for it: most point reads are done at once.

        Args:
            raw: the path as it came.
            query: the query string.
            headers: the request's headers by lower-case name.
            client: address of the other side.

        Returns:
            The answer if that was all; else what `__call__` goes on from; None where a gateway may be waited for.
        """
        if self._guard is not None and self._guard.waits:
            return None
        begun = self._new_call("GET", raw, query, headers)
        call = begun.call
        answer: Answer | None = None
        try:
            if self._asks_first:
                answer = _at_once(self._ask_first(call, client))
            if call.path not in _SILENT:
                self._server.neighbours.notice(call.proven or client)
            if answer is None:
                answer = self._answer(begun)
        except Exception as error:  # noqa: BLE001 - as in `__call__`
            answer = error_answer(error, call.path, call.instance is not None)
        if not isinstance(answer, Quick) or answer.length > _AT_ONCE_BYTES:
            begun.answer = answer
            return begun
        call.finish()
        if self._cors is not None and (extra := self._cors.headers(headers, call.path)):
            answer = answer.with_headers(extra)
        if call.path not in _SILENT:
            sent = _Sent(answer.status, answer.length, client)
            self._server.activity.request(call, sent, time.perf_counter() - begun.began)
        return answer

    def _new_call(self, method: str, raw: bytes, query: bytes, headers: list[tuple[bytes, bytes]]) -> Begun:
        """Return a call of which nothing is known but what came."""
        began = time.perf_counter()
        if b"%" in raw or not raw.isascii():
            path = unquote_to_bytes(raw).decode("utf-8", "surrogateescape")
            shown = path.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
        else:
            path = shown = raw.decode("ascii")
        call = Call(server=self._server, path=shown, method=method, query=parse_query(query), raw_headers=headers)
        return Begun(call, path, began)

    async def _ask_first(self, call: Call, peer: str) -> Answer | None:
        """Refuse whom the configuration blocks, answer browsers that ask before they send, and find out who asks."""
        if call.path in _SILENT:
            return None
        if self._guard is not None:
            self._guard.check_blocked(call, peer)
        if self._cors is not None and (preflight := self._cors.preflight(call.method, call.raw_headers)):
            return preflight
        if self._guard is not None:
            await self._guard.admit(call, peer)
        return None

    async def _answer_error(self, scope: Any, call: Call, meter: Meter, error: Exception) -> None:
        answer = error_answer(error, call.path, call.instance is not None)
        if meter.status:
            raise error  # the answer has begun: all that is left is to cut the connection
        await answer(scope, meter.receive, meter.send)

    def _answer(self, begun: Begun) -> Answer:
        """Return what answers a call."""
        call, path, changes = begun.call, begun.path, begun.changes
        segments = [segment for segment in path.split("/") if segment]
        caller = call.caller
        call.admin = has_admin_token(self._server, call) or (caller is not None and caller.administers(None))
        if call.method not in _READS:
            check_local_mutation(call)
        if self._server.read_only and call.method not in _READS:
            self._refuse_read_only(call, segments)
        if (not segments and self._web_client is not None) or (segments and segments[0] not in ("api", "interface")):
            return page_not_found() if segments[:1] == [MOUNT[1:]] else self._outside(changes, call, segments)
        if len(segments) >= 3 and segments[1] in ("repo", "node"):
            below = segments[1] == "node" and len(segments) >= 5
            place = self._places.known(segments[2], segments[3]) if below else None
            call.repo, call.version = place[:2] if place is not None else self._server.repos.find(segments[2])
            if self._guard is not None:
                self._guard.authorize(call)
            call.admin = call.admin or (caller is not None and caller.administers(call.repo.root))
            if below:
                return self._below_instance(changes, call, segments, place)
        return self._fixed(changes, call, path, segments)

    def _refuse_read_only(self, call: Call, segments: list[str]) -> None:
        if segments[:2] == ["api", "repos"] or (segments[1:2] in (["repo"], ["node"]) and not call.admin):
            raise BadRequest(f"this server is read-only: {call.method} is not allowed")

    def _outside(self, changes: Any, call: Call, segments: list[str]) -> Answer:
        """Files of the web client; else pages, OpenAPI and the routes of plugins: Litestar's own business."""
        if call.method == "OPTIONS":
            return empty(200, {"Allow": "GET, HEAD, OPTIONS"})
        if self._web_client is not None and call.method in _READS and segments[:1] not in self._pages:
            return self._web_client.answer(segments) or page_not_found()
        if call.method == "HEAD":
            changes["method"] = "GET"
        return self.documentation if segments[:1] == ["schema"] else self._app

    def _fixed(self, changes: Any, call: Call, path: str, segments: list[str]) -> Answer:
        methods = self._core.methods(segments)
        if methods is None or (path.endswith("/") and segments not in ([], ["api", "help"])):
            return page_not_found()
        if call.method == "OPTIONS":
            return page_not_found() if path in _SILENT else empty(200, {"Allow": allow(methods)})
        options = methods.get(call.method)
        if options is None:
            return page_not_found()
        self._refuse_if_locked(call, segments)
        point = self._core.points.get(options)
        if point is not None:
            return point(call)
        changes["method"] = options.method
        changes["path"] = "/" + "/".join(segments)
        direct = self._core.directs[options]
        return self._app if direct is None else direct.answer(call, segments)

    def _refuse_if_locked(self, call: Call, segments: list[str]) -> None:
        """Actions of a committed node that change it; commit itself is judged where it is done."""
        if call.version is None or segments[1] != "node" or call.method in _READS or not call.version.locked:
            return
        action = segments[3]
        if action not in _CHILD_MAKERS and action != "commit" and not (call.admin or self._server.full_write):
            raise Locked(f"{call.method} {action} is not allowed: version {call.version.uuid} is committed")

    def _below_instance(self, changes: Any, call: Call, segments: list[str], place: Place | None) -> Answer:
        assert call.repo is not None
        assert call.version is not None
        if place is None:
            place = self._places.find(segments[2], segments[3], call.repo, call.version)
        _, _, record, call.instance, table = place
        call.segments, keyword = segments[4:], segments[4]
        if table is None:
            raise BadRequest(f"the datatype {record.type_name!r} has no routes")
        if call.method == "OPTIONS" and "OPTIONS" not in table.keyword_methods(keyword):
            return empty(200, {"Allow": allow(table.keyword_methods(keyword) or {"GET", "HEAD"})})
        if (
            call.method in ("POST", "PUT", "DELETE")
            and record.versioned
            and call.version.locked
            and keyword != "blobstore"
            and not (call.admin or self._server.full_write or table.declares_read(keyword, call.method))
        ):
            raise Locked(f"Cannot do {call.method} on endpoint {keyword!r} of locked node {call.version.uuid}")
        bound = table.match(call.method, call.segments, record.name, call.header)
        point, waits = bound.point, must_wait(call, record, bound.options)
        if point is not None and not waits:
            return point.function(call)
        changes["method"] = bound.options.method
        changes["path"] = f"{MOUNT}/{record.type_name}/{'/'.join(call.segments[: len(bound.pattern)])}"
        make = partial(self._made, call, bound)
        return Afterwards(self._server.catching_up, call, make) if waits else make()

    def _made(self, call: Call, bound: Bound) -> Answer:
        """Return the answer of a route below an instance."""
        if bound.point is not None:
            return bound.point(call)
        return self._app if bound.direct is None else bound.direct.answer(call, call.segments)


def _at_once(asking: Coroutine[Any, Any, _R]) -> _R:
    """Return what a coroutine returns that waits for nothing."""
    try:
        asking.send(None)
    except StopIteration as done:
        result: _R = done.value
        return result
    asking.close()
    raise RuntimeError("it waits for something")


class Begun:
    """A request that was judged, or is about to be.

    Attributes:
        call: what is known of it.
        path: the decoded path; bytes that are no UTF-8 are surrogates.
        began: when it came.
        answer: what answers it, once it was judged.
        changes: what the scope must say besides for that.
    """

    __slots__ = ("answer", "began", "call", "changes", "path")

    def __init__(self, call: Call, path: str, began: float) -> None:
        self.call = call
        self.path = path
        self.began = began
        self.answer: Answer | None = None
        self.changes: dict[str, Any] = {}


class _Sent:
    """What the log of activity is told of an answer that was sent at once."""

    __slots__ = ("bytes_in", "bytes_out", "client", "status")

    def __init__(self, status: int, bytes_out: int, client: str) -> None:
        self.status = status
        self.bytes_in = 0
        self.bytes_out = bytes_out
        self.client = client


class Meter:
    """Counts the bytes of a request, keeps the body out of answers to HEAD, and tells browsers which pages may read."""

    __slots__ = (
        "_extra",
        "_head",
        "_large",
        "_path",
        "_receive",
        "_send",
        "at_once",
        "bytes_in",
        "bytes_out",
        "client",
        "status",
    )

    def __init__(
        self,
        scope: Any,
        receive: Receive,
        send: Send,
        large: LargeAnswers,
        extra: Sequence[tuple[bytes, bytes]] = (),
    ) -> None:
        self._large = large
        self._receive = receive
        self._send = send
        self._head = scope["method"] == "HEAD"
        self._path = scope["path"]
        client = scope.get("client")
        self.client = client[0] if client else ""
        self._extra = extra
        self.at_once: Callable[[Bytes], bool] | None = None
        self.status = 0
        self.bytes_in = 0
        self.bytes_out = 0

    async def receive(self) -> Any:
        """Receive a part of the body."""
        message: Any = await self._receive()
        self.bytes_in += len(message.get("body", b""))
        return message

    def send_whole(self, answer: Bytes) -> bool:
        """Send a whole answer by one write, if nothing speaks against it; False if it must be sent as others are."""
        size = answer.length
        if (
            self.at_once is None
            or self._head
            or self._extra
            or size > _AT_ONCE_BYTES
            or page_headers(self._path, answer.headers)
            or not self.at_once(answer)
        ):
            return False
        self.status, self.bytes_out = answer.status, size
        return True

    async def send(self, message: Any) -> None:
        """Send a part of the answer."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = message["headers"]
            if extra := (*self._extra, *page_headers(self._path, headers)):
                message = {**message, "headers": [*headers, *extra]}
        elif message["type"] == "http.response.body":
            body = message.get("body", b"")
            size = body.nbytes if isinstance(body, memoryview) else len(body)
            self.bytes_out += size
            if self._head:
                message = {**message, "body": b""}
            elif size > LEAST_BYTES:
                await self._large.send(self._send, message, body)
                return
        await self._send(message)

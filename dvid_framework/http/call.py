"""What dispatch knows of a request: who asks, which repo, version and instance; and the request that routes get."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar
from urllib.parse import parse_qsl

import litestar

from dvid_framework.errors import BadRequest, DvidError, TooLarge
from dvid_framework.http.json_bodies import decode_json, decoded_bytes
from dvid_framework.instances.instance import Instance
from dvid_framework.versions.gate import WAIT_SECONDS
from dvid_framework.versions.record import VersionRecord
from dvid_framework.versions.repo import Repo
from dvid_framework.versions.txn import Txn
from dvid_framework.versions.view import View

if TYPE_CHECKING:
    from dvid_framework.http.access.caller import Caller
    from dvid_framework.server import Server

__all__ = ["CALL", "Call", "ClientGone", "CoreRequest", "InstanceRequest", "parse_query"]

CALL = "dvid.call"
"""Key of the `Call` in an ASGI scope."""
_I = TypeVar("_I", bound=Instance)
_R = TypeVar("_R")
_P = ParamSpec("_P")


class ClientGone(DvidError):
    """The client went away before its body was complete; there is nobody to answer."""

    status = 499


def parse_query(raw: bytes) -> dict[str, str]:
    """Return the parameters of a query string; the first of several with one name counts."""
    if not raw:
        return {}
    found: dict[str, str] = {}
    for name, value in parse_qsl(raw.decode("latin-1"), keep_blank_values=True):
        found.setdefault(name, value)
    return found


@dataclass(slots=True)
class Call:
    """One request below a repo, a version or an instance.

    Attributes:
        server: the server.
        path: the decoded path, for messages.
        query: the query parameters.
        admin: whether the caller has shown the admin token, or is administrator of the path's repo (that lifts locks).
        repo: the repo named in the path, if any.
        version: the version named in the path, if any.
        instance: the instance named in the path, if any.
        segments: below an instance the path after its name, keyword first; bytes that are no UTF-8 are surrogates.
        raw_headers: the request's headers by lower-case name.
        caller: who asks, where access is restricted.
        noted: what the datatype adds to the record of activity; see `note`.
    """

    server: Server
    path: str
    method: str
    query: dict[str, str]
    admin: bool = False
    repo: Repo | None = None
    version: VersionRecord | None = None
    instance: Instance | None = None
    segments: list[str] = field(default_factory=list)
    raw_headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    caller: Caller | None = None
    noted: dict[str, Any] | None = None
    _view: View | None = None

    def instance_as(self, kind: type[_I]) -> _I:
        """Return the instance named in the path, which is of the kind that the datatype of the route opens."""
        assert isinstance(self.instance, kind)
        return self.instance

    @property
    def proven(self) -> str:
        """The user whom a token names; empty where none does."""
        return "" if self.caller is None else self.caller.user

    @property
    def user(self) -> str:
        """The user whom a token names, or else the one that `u=` claims."""
        return self.proven or self.query.get("u", "")

    @property
    def claim(self) -> str:
        """The user that `u=` claims where a token names another one."""
        claimed = self.query.get("u", "")
        return "" if claimed == self.user else claimed

    @property
    def app(self) -> str:
        """The application named by `app=`."""
        return self.query.get("app", "")

    @property
    def view(self) -> View:
        """The instance's data at the version, one state for the whole request; closed after it."""
        if self._view is None:
            assert self.instance is not None
            assert self.version is not None
            self._view = self.instance.view(self.version)
        return self._view

    def header(self, name: bytes) -> str | None:
        """Return a header by its lower-case name."""
        for key, value in self.raw_headers:
            if key == name:
                return value.decode("latin-1")
        return None

    def throttled(self) -> AbstractContextManager[None]:
        """Return a context that holds one of the places for throttled operations if the request has `throttle=on`.

        Raises:
            Unavailable: on entering it, all places are taken.
        """
        return self.server.throttle.operation() if self.query.get("throttle") in ("on", "true") else nullcontext()

    def flag(self, name: str) -> bool:
        """Tell whether a parameter is exactly `true`, the only text that counts."""
        return self.query.get(name) == "true"

    def note(self, **fields: Any) -> None:
        """Add fields to what the log of activity, and Kafka, are told of this request: how much it asked for."""
        self.noted = {**(self.noted or {}), **fields}

    def finish(self) -> None:
        """Release what the call holds."""
        if self._view is not None:
            self._view.close()
            self._view = None


def _patience() -> float:
    """Return how long a mutation may wait for a commit: not at all on the event loop, which others need to finish."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return WAIT_SECONDS
    return 0.0


class _BodyRequest(litestar.Request[Any, Any, Any]):
    """Bodies are read by endpoint and never by declared type."""

    @property
    def call(self) -> Call:
        """What dispatch found out."""
        call: Call = self.scope[CALL]  # type: ignore[literal-required]
        return call

    @property
    def server(self) -> Server:
        """The server."""
        return self.call.server

    @property
    def who(self) -> str:
        """The user whom a token names, or else the one that `u=` claims."""
        return self.call.user

    async def read_body(self, limit: int | None = None) -> bytes:
        """Return the whole body.

        Args:
            limit: how many bytes it may have; the configured `limits.body_bytes` by default.

        Raises:
            TooLarge: it is longer. A declared length is checked before anything is read.
            Unavailable: bodies of other requests take all the memory set aside for them.
        """
        pieces = await self.read_pieces(limit)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    async def read_pieces(self, limit: int | None = None) -> list[bytes]:
        """Return the whole body in the pieces that it came in, for those who need no copy of it in one.

        Args:
            limit: how many bytes it may have; the configured `limits.body_bytes` by default.

        Raises:
            TooLarge: it is longer. A declared length is checked before anything is read.
            Unavailable: bodies of other requests take all the memory set aside for them.
        """
        most = self.server.limits.body_bytes if limit is None else limit
        declared = self.call.header(b"content-length")
        expected = int(declared) if declared and declared.isascii() and declared.isdigit() else 0
        if expected > most:
            raise TooLarge(f"the body has {expected} bytes; at most {most} are allowed here")
        budget, held = self.server.budget, 0
        chunks: list[bytes] = []
        count = 0
        try:
            while True:
                message: Any = await self.receive()
                if message["type"] == "http.disconnect":
                    raise ClientGone("the client went away")
                chunk = message.get("body", b"")
                count += len(chunk)
                if count > most:
                    raise TooLarge(f"the body is longer than the {most} bytes that are allowed here")
                if count > held:
                    step = max(count - held, min(expected, most) - held)
                    budget.take(step)
                    held += step
                chunks.append(chunk)
                if not message.get("more_body"):
                    break
            return chunks
        finally:
            budget.give_back(held)

    async def read_json(self, value_type: type[_R] | Any = Any, limit: int = 64 << 20) -> Any:
        """Return the body as JSON of a type. What it takes while it is decoded is held; hold what you keep of it.

        Raises:
            BadRequest: it is no JSON, not of that type, or says one thing twice.
            TooLarge: it is longer than `limit`, or would take more memory than requests may.
            Unavailable: other requests hold that memory.
        """
        body = await self.read_body(limit)
        with self.server.budget.holding(decoded_bytes(body)):
            return decode_json(body, value_type)

    async def run(self, function: Callable[_P, _R], *args: _P.args, **kwargs: _P.kwargs) -> _R:
        """Run a function that takes more than a millisecond in the server's thread pool."""
        context = contextvars.copy_context()
        return await self.server.pool.start(partial(context.run, function, *args, **kwargs))


class CoreRequest(_BodyRequest):
    """The request that routes of the core get."""

    @property
    def repo(self) -> Repo:
        """The repo named in the path."""
        assert self.call.repo is not None
        return self.call.repo

    @property
    def version(self) -> VersionRecord:
        """The version named in the path."""
        assert self.call.version is not None
        return self.call.version

    async def read_config(self) -> dict[str, Any]:
        """Return the body of a configuration request: a JSON object; an empty body counts as `{}`."""
        body = await self.read_body(1 << 20)
        if not body.strip():
            return {}
        config = decode_json(body, any_case=True)
        if not isinstance(config, dict):
            raise BadRequest("the body must be a JSON object")
        return config


class InstanceRequest(_BodyRequest, Generic[_I]):
    """The request that a datatype's routes get: `InstanceRequest[MyInstance]`."""

    @property
    def instance(self) -> _I:
        """The instance named in the path."""
        instance: Any = self.call.instance
        return instance  # type: ignore[no-any-return]

    @property
    def version(self) -> VersionRecord:
        """The version named in the path."""
        assert self.call.version is not None
        return self.call.version

    @property
    def view(self) -> View:
        """The instance's data at the version; closed after the request."""
        return self.call.view

    @property
    def query(self) -> Mapping[str, str]:
        """The query parameters as texts, for those whose laxness no type expresses."""
        return self.call.query

    @property
    def admin(self) -> bool:
        """Whether the caller has shown the admin token."""
        return self.call.admin

    def flag(self, name: str) -> bool:
        """Tell whether a parameter is exactly `true`, the only text that counts."""
        return self.call.flag(name)

    def begin(self, durable: bool = True, wait: float | None = None) -> Txn:
        """Begin a mutation of the instance at the version, for the user and application of the request.

        Args:
            durable: whether it must survive a power loss before the answer (else: within a second).
            wait: seconds to wait for a commit of the version; on the event loop none, elsewhere some, by default.

        Raises:
            Locked: the version is committed.
            Unavailable: it is being committed.
        """
        call = self.call
        lift = call.admin or self.server.full_write
        return self.instance.begin(
            self.version,
            user=call.user,
            app=call.app,
            lift_lock=lift,
            durable=durable,
            wait=_patience() if wait is None else wait,
        )

    def throttled(self) -> AbstractContextManager[None]:
        """Return a context that holds one of the places for throttled operations if the request has `throttle=on`.

        Raises:
            Unavailable: on entering it, all places are taken.
        """
        return self.call.throttled()

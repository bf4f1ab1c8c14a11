"""Where commands get their answers: a server over HTTP, or a data folder that nobody serves, by the same requests.

A folder is opened as a server would open it, in this process, and asked through its ASGI application. So there is one
way for each command, and a folder gives the same answers and refusals as a server.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import ssl
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any
from urllib.parse import quote, urlencode, urlsplit

import msgspec
from cyclopts import Parameter

from dvid_framework.config import AuthSettings, Config, load_config
from dvid_framework.errors import BadRequest, DvidError
from dvid_framework.server import Server

__all__ = ["Refused", "Service", "Unreachable", "Where", "open_service", "path_of", "unguarded"]

_HERE = "http://127.0.0.1:8000"
_SECONDS = 600.0
_CONNECTIONS = MappingProxyType({"http": http.client.HTTPConnection, "https": http.client.HTTPSConnection})


class Refused(DvidError):
    """The server refused a request; the message is its own."""


class Unreachable(DvidError):
    """No server answers."""


@Parameter(name="*")
@dataclass(frozen=True)
class Where:
    """Which server or data folder a command is for.

    Attributes:
        url: the server; http://127.0.0.1:8000 without it and without a folder.
        data: a data folder that no server has open.
        config: the TOML file that the folder is served with, if any.
    """

    url: Annotated[str, Parameter(env_var="DVID_URL")] = ""
    data: Path | None = None
    config: Path | None = None
    token: Annotated[str, Parameter(env_var="DVID_TOKEN", show=False)] = field(default="", repr=False)
    admin_token: Annotated[str, Parameter(env_var="DVID_ADMIN_TOKEN", show=False)] = field(default="", repr=False)


class Service(ABC):
    """Answers requests of the API."""

    @abstractmethod
    def send(self, method: str, path: str, body: bytes) -> tuple[int, bytes]:
        """Send a request; returns status and body."""

    def text(self, path: str) -> str:
        """Return the text of an address."""
        return self._ask("GET", path, b"").decode(errors="replace")

    def get(self, path: str) -> Any:
        """Return the JSON of an address."""
        return json.loads(self._ask("GET", path, b""))

    def post(self, path: str, body: dict[str, Any] | None = None) -> Any:
        """Post JSON; returns the JSON of the answer, if any."""
        return self._change("POST", path, body)

    def delete(self, path: str, body: dict[str, Any] | None = None) -> Any:
        """Delete; returns the JSON of the answer, if any."""
        return self._change("DELETE", path, body)

    def _change(self, method: str, path: str, body: dict[str, Any] | None) -> Any:
        answer = self._ask(method, path, b"" if body is None else msgspec.json.encode(body))
        return json.loads(answer) if answer else None

    def _ask(self, method: str, path: str, body: bytes) -> bytes:
        status, answer = self.send(method, path, body)
        if not 200 <= status < 300:
            text = answer.decode(errors="replace").strip()
            raise Refused(
                text.partition("\n")[0] or f"the server answers {status} to {method} {path.partition('?')[0]}"
            )
        return answer


def path_of(*parts: str, **parameters: str) -> str:
    """Return the path of an API address, its parts escaped."""
    path = "/api/" + "/".join(quote(part, safe=":~") for part in parts)
    return path + (f"?{urlencode(parameters)}" if parameters else "")


class _Remote(Service):
    """A server over HTTP.

    Args:
        where: its URL, and the tokens; an administrator of a guarded server has two.
    """

    def __init__(self, where: Where) -> None:
        self._url = (where.url or _HERE).rstrip("/")
        parts = urlsplit(self._url)
        if parts.scheme not in _CONNECTIONS or not parts.hostname:
            raise BadRequest(f"a server is named like {_HERE}, and not {where.url!r}")
        self._prefix = parts.path
        self._connection = _CONNECTIONS[parts.scheme](parts.netloc.rpartition("@")[2], timeout=_SECONDS)
        bearer = where.token or where.admin_token
        self._headers = {"Authorization": f"Bearer {bearer}"} if bearer else {}
        self._admin = f"admintoken={quote(where.admin_token, safe='')}" if where.token and where.admin_token else ""

    def send(self, method: str, path: str, body: bytes) -> tuple[int, bytes]:
        if self._admin:
            path += ("&" if "?" in path else "?") + self._admin
        try:
            self._connection.request(method, self._prefix + path, body, self._headers)
            answer = self._connection.getresponse()
            return answer.status, answer.read()
        except (ssl.SSLError, OSError, http.client.HTTPException) as error:
            self._connection.close()
            raise Unreachable(f"no server answers at {self._url}: {error}") from error

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


class _Folder(Service):
    """A data folder, opened in this process."""

    def __init__(self, server: Server, runner: asyncio.Runner) -> None:
        self._server = server
        self._runner = runner

    def send(self, method: str, path: str, body: bytes) -> tuple[int, bytes]:
        return self._runner.run(self._call(method, path, body))

    async def _call(self, method: str, path: str, body: bytes) -> tuple[int, bytes]:
        raw, _, query = path.partition("?")
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": raw,
            "raw_path": raw.encode(),
            "root_path": "",
            "query_string": query.encode(),
            "headers": [(b"host", b"127.0.0.1"), (b"content-length", str(len(body)).encode())],
            "client": ("127.0.0.1", 0),
            "server": ("127.0.0.1", 80),
            "state": {},
        }
        incoming = [{"type": "http.request", "body": body, "more_body": False}]
        status, answer = 500, bytearray()

        async def receive() -> Any:
            return incoming.pop() if incoming else {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            elif message["type"] == "http.response.body":
                answer.extend(message.get("body", b""))

        await self._server.app(scope, receive, send)
        return status, bytes(answer)


def unguarded(config: Config) -> Config:
    """Return a configuration for work on the folder, which nobody is let into: it needs neither secrets nor lists."""
    config.auth = AuthSettings()
    config.server.block_list_file = config.server.admin_token_file = ""
    return config


@contextmanager
def open_service(where: Where) -> Iterator[Service]:
    """Open what a command is for.

    Raises:
        BadRequest: both a server and a folder are named, or the folder is not there.
    """
    if where.data is None:
        remote = _Remote(where)
        try:
            yield remote
        finally:
            remote.close()
        return
    if where.url:
        raise BadRequest("--url and --data (or DVID_URL) exclude each other: a command is for a server or for a folder")
    if not where.data.exists():
        raise BadRequest(f"there is no data folder {where.data}")
    server = Server(where.data, unguarded(load_config(where.config)))
    with asyncio.Runner() as runner:
        runner.run(server.start())
        try:
            yield _Folder(server, runner)
        finally:
            runner.run(server.stop())

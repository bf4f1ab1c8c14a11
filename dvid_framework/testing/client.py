"""A small HTTP client on one kept-alive connection; it can send a body with any method, GET included."""

from __future__ import annotations

import http.client
import json
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

__all__ = ["Client", "Reply"]

_JSON_TYPES = (dict, list)


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer.

    Attributes:
        status: the HTTP status.
        headers: by lower-case name.
        body: the bytes of the body.
    """

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode()

    def json(self) -> Any:
        """Return the body decoded as JSON."""
        return json.loads(self.body)

    def ok(self) -> Reply:
        """Return itself if the status is 200, and fail with the body's text if not."""
        assert self.status == 200, f"status {self.status}: {self.body[:500]!r}"
        return self


class Client:
    """Talks to one server.

    Paths begin with a slash and are sent as they are. A body may be bytes, a text, or a dictionary or list, which is
    sent as JSON. A request on a connection that the server closed meanwhile is sent again on a new one.

    Args:
        host: the server's host.
        port: its port.
        timeout: seconds for each socket operation.
    """

    def __init__(self, host: str, port: int, timeout: float = 60.0) -> None:
        self.host = host
        self.port = port
        self._connection = http.client.HTTPConnection(host, port, timeout=timeout)

    @property
    def url(self) -> str:
        """Where the server is, without a slash at the end."""
        return f"http://{self.host}:{self.port}"

    def request(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Reply:
        """Send a request and return the whole answer."""
        data = json.dumps(body).encode() if isinstance(body, _JSON_TYPES) else body
        if isinstance(data, str):
            data = data.encode()
        fresh = self._connection.sock is None
        try:
            return self._send(method, path, data, headers)
        except (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError):
            self._connection.close()
            if fresh:
                raise
            return self._send(method, path, data, headers)

    def _send(self, method: str, path: str, data: bytes | None, headers: dict[str, str] | None) -> Reply:
        try:
            self._connection.request(method, path, body=data, headers=headers or {})
            answer = self._connection.getresponse()
            body = answer.read()
        except BaseException:
            self._connection.close()
            raise
        return Reply(answer.status, {name.lower(): value for name, value in answer.getheaders()}, body)

    def get(self, path: str, body: Any = None, **headers: str) -> Reply:
        """GET, with a body if one is given."""
        return self.request("GET", path, body, headers)

    def head(self, path: str) -> Reply:
        """HEAD."""
        return self.request("HEAD", path)

    def post(self, path: str, body: Any = b"", **headers: str) -> Reply:
        """POST."""
        return self.request("POST", path, body, headers)

    def put(self, path: str, body: Any = b"", **headers: str) -> Reply:
        """PUT."""
        return self.request("PUT", path, body, headers)

    def delete(self, path: str, **headers: str) -> Reply:
        """DELETE."""
        return self.request("DELETE", path, None, headers)

    def json(self, path: str) -> Any:
        """GET an address that answers 200 with JSON, and return it decoded."""
        return self.get(path).ok().json()

    def new_repo(self, alias: str = "test") -> str:
        """Make a repo; returns the UUID of its root, which is open."""
        return str(self.post("/api/repos", {"alias": alias}).ok().json()["root"])

    def new_instance(self, uuid: str, type_name: str, name: str, **settings: str) -> None:
        """Make a data instance at a version."""
        self.post(f"/api/repo/{uuid}/instance", {"typename": type_name, "dataname": name, **settings}).ok()

    def commit(self, uuid: str) -> None:
        """Commit a version."""
        self.post(f"/api/node/{uuid}/commit", {}).ok()

    def child(self, uuid: str, branch: str | None = None) -> str:
        """Make a child of a committed version, on its branch or on a new one; returns its UUID."""
        action, body = ("newversion", {}) if branch is None else ("branch", {"branch": branch})
        return str(self.post(f"/api/node/{uuid}/{action}", body).ok().json()["child"])

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

"""A stand-in for a DatasetGateway: says whose a token is."""

from __future__ import annotations

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

__all__ = ["FakeGateway"]


class FakeGateway:
    """Serves `GET /api/v1/user/cache` on a free loopback port until it is closed.

    Attributes:
        users: what is known by token, without `email` and `name`; any other token is answered with 401.
        odd: bodies, sent with status 200, by token.
        asked: the tokens that it was asked about.
        delay: seconds before each answer.
    """

    def __init__(self) -> None:
        self.users: dict[str, dict[str, Any]] = {}
        self.odd: dict[str, bytes] = {}
        self.asked: list[str] = []
        self.delay = 0.0
        gateway = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                token = self.headers.get("Authorization", "").removeprefix("Bearer ")
                gateway.asked.append(token)
                time.sleep(gateway.delay)
                status, body = gateway.answer(self.path, token)
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                if status == 302:
                    self.send_header("Location", f"http://127.0.0.1:{gateway.port}/elsewhere")
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - as the base class names it
                del format, args

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.port}"

    def answer(self, path: str, token: str) -> tuple[int, bytes]:
        """Return status and body for a token; `broken` and `moved` are answered as they say."""
        if path != "/api/v1/user/cache":
            return 404, b"{}"
        if token in self.odd:
            return 200, self.odd[token]
        if token not in self.users:
            return {"broken": 500, "moved": 302}.get(token, 401), b"{}"
        user = {"email": f"{token}@example.org", "name": token, "admin": False, "groups": []}
        return 200, json.dumps({**user, **self.users[token]}).encode()

    def close(self) -> None:
        """Stop."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

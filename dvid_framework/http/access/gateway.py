"""A client of a DatasetGateway: whose a token is, asked over HTTP in a thread and kept for a while."""

from __future__ import annotations

import asyncio
import http.client
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

import msgspec

from dvid_framework.errors import BadGateway, BadRequest, Unauthorized

__all__ = ["Gateway", "GatewayUser"]

_PATH = "/api/v1/user/cache"
_SECONDS = 10.0
_MOST_BYTES = 4 << 20
_MOST_KEPT = 10_000
_MOST_ASKED = 256
_THREADS = 4
_UNKNOWN = "this needs a token that the DatasetGateway knows"


class GatewayUser(msgspec.Struct):
    """What the gateway says of a user."""

    email: str = ""
    admin: bool = False
    permissions_v2: dict[str, list[str]] = {}
    datasets_admin: list[str] = []


class Gateway:
    """Asks the gateway; never on the event loop, and once for all requests that wait for one token.

    Args:
        address: its URL.
        keep_seconds: for how long an answer counts.

    Raises:
        BadRequest: the address is no URL.
    """

    def __init__(self, address: str, keep_seconds: float) -> None:
        parts = urlsplit(address)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise BadRequest("[auth] dsg_address must be a URL, http or https")
        try:
            self._port = parts.port
        except ValueError as error:
            raise BadRequest(f"[auth] dsg_address: {error}") from error
        secure = parts.scheme == "https"
        self._connect = http.client.HTTPSConnection if secure else http.client.HTTPConnection
        self._host, self._path = parts.hostname, parts.path.rstrip("/") + _PATH
        self._keep_seconds = keep_seconds
        self._kept: dict[str, tuple[float, GatewayUser]] = {}
        self._asked: dict[str, asyncio.Task[GatewayUser]] = {}
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="gateway")

    def forget(self) -> None:
        """Ask anew for every token from now on."""
        self._kept.clear()
        self._asked.clear()

    def close(self) -> None:
        """Wait for nobody."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def user_of(self, token: str) -> GatewayUser:
        """Return whose a token is.

        Raises:
            Unauthorized: the gateway does not know it.
            BadGateway: it does not answer, or answers oddly.
        """
        kept = self._kept.get(token)
        if kept is not None and time.monotonic() < kept[0]:
            return kept[1]
        task = self._asked.get(token)
        if task is None:
            if len(self._asked) >= _MOST_ASKED:
                raise BadGateway("the DatasetGateway is asked about too many tokens at once; try again")
            task = asyncio.get_running_loop().create_task(self._ask(token))
            self._asked[token] = task
            task.add_done_callback(lambda done: self._finish(token, done))
        return await asyncio.shield(task)  # others may wait for it when this client goes away

    def _finish(self, token: str, task: asyncio.Task[GatewayUser]) -> None:
        failed = task.cancelled() or task.exception() is not None
        if self._asked.get(token) is not task:
            return  # forgotten meanwhile
        del self._asked[token]
        if failed:
            return
        self._kept.pop(token, None)
        while len(self._kept) >= _MOST_KEPT:
            self._kept.pop(next(iter(self._kept)))
        self._kept[token] = (time.monotonic() + self._keep_seconds, task.result())

    async def _ask(self, token: str) -> GatewayUser:
        work = asyncio.get_running_loop().run_in_executor(self._pool, self._fetch, token)
        try:
            status, body = await asyncio.wait_for(work, 2 * _SECONDS)
        except (OSError, http.client.HTTPException, TimeoutError) as error:
            raise BadGateway("the DatasetGateway does not answer") from error
        if status in (401, 403):
            raise Unauthorized(_UNKNOWN)
        if status != 200 or len(body) > _MOST_BYTES:
            raise BadGateway(f"the DatasetGateway answers oddly, with status {status}")
        try:
            user = msgspec.json.decode(body, type=GatewayUser)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise BadGateway("the DatasetGateway answers what is no user") from error
        if not user.email:
            raise BadGateway("the DatasetGateway answers a user without `email`")
        return user

    def _fetch(self, token: str) -> tuple[int, bytes]:
        """Redirects are not followed: the token is for this host alone."""
        connection: Any = self._connect(self._host, self._port, timeout=_SECONDS)
        try:
            connection.request("GET", self._path, headers={"Authorization": f"Bearer {token}"})
            answer = connection.getresponse()
            return int(answer.status), answer.read(_MOST_BYTES + 1)
        finally:
            connection.close()

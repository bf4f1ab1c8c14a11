"""Clients that post side by side, as the jobs of a cluster do: some requests are cut, all are sent until answered."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Cluster", "Post"]

_HOST = "127.0.0.1"
_PAUSE = 0.1  # seconds before a server that is gone is looked for again


@dataclass(frozen=True, slots=True)
class Post:
    """A request.

    Attributes:
        path: its path, with the query.
        body: its body.
    """

    path: str
    body: bytes

    @property
    def head(self) -> bytes:
        """Request line and headers."""
        lines = (f"POST {self.path} HTTP/1.1", f"Host: {_HOST}", f"Content-Length: {len(self.body)}")
        return "".join(f"{line}\r\n" for line in (*lines, "")).encode()


class Cluster:
    """Connections that post side by side.

    What was not acknowledged is sent again: after a cut, after a 503 when its Retry-After has passed, and after the
    server died, to the port where it is then.

    Args:
        port: of the server, on the loopback interface.
        cut_every: every n-th request is first sent by half and its connection torn; 0 for none.

    Attributes:
        port: where requests go; change it when the server has moved.
        acknowledged: how many requests were.
        cut: how many were cut.
        refused: how many answers were 503.
        lost: how many requests got no answer.
    """

    def __init__(self, port: int, cut_every: int = 0) -> None:
        self.port = port
        self.acknowledged = self.cut = self.refused = self.lost = 0
        self._cut_every = cut_every
        self._begun = 0
        self._awaited: tuple[int, asyncio.Event] = (0, asyncio.Event())

    async def send(self, lanes: Sequence[Sequence[Post]]) -> None:
        """Send requests, each lane on a connection of its own and in its order.

        Raises:
            AssertionError: an answer is neither 200 nor 503.
        """
        async with asyncio.TaskGroup() as group:
            for lane in lanes:
                group.create_task(_Connection(self).send_all(lane))

    async def until(self, count: int) -> None:
        """Wait until so many requests are acknowledged; one may wait at a time."""
        self._awaited = (count, asyncio.Event())
        if self.acknowledged < count:
            await self._awaited[1].wait()

    def acknowledge(self) -> None:
        """Count a request that was acknowledged."""
        self.acknowledged += 1
        count, reached = self._awaited
        if self.acknowledged >= count:
            reached.set()

    def is_next_cut(self) -> bool:
        """Count a request, and tell whether it is one to be cut."""
        self._begun += 1
        found = self._cut_every > 0 and self._begun % self._cut_every == 0
        self.cut += found
        return found


class _Connection:
    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def send_all(self, posts: Sequence[Post]) -> None:
        try:
            for post in posts:
                if self._cluster.is_next_cut():
                    await self._cut(post)
                while not await self._is_acknowledged(post):
                    pass
        finally:
            self._tear()

    def _tear(self) -> None:
        if self._streams is not None:
            self._streams[1].transport.abort()
            self._streams = None

    async def _open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._streams is None:
            self._streams = await asyncio.open_connection(_HOST, self._cluster.port)
        return self._streams

    async def _cut(self, post: Post) -> None:
        try:
            _, writer = await self._open()
            writer.write(post.head + post.body[: len(post.body) // 2])
            await writer.drain()
            await asyncio.sleep(_PAUSE)  # so that the server has begun to read it
        except OSError:
            pass  # the server is gone: torn as well
        self._tear()

    async def _is_acknowledged(self, post: Post) -> bool:
        cluster = self._cluster
        try:
            status, headers, body = await self._answer(post)
        except (OSError, EOFError):
            cluster.lost += 1
            self._tear()
            await asyncio.sleep(_PAUSE)
            return False
        if status == 503:
            cluster.refused += 1
            await asyncio.sleep(float(headers["retry-after"]))
            return False
        assert status == 200, f"status {status}: {body[:500]!r}"
        cluster.acknowledge()
        return True

    async def _answer(self, post: Post) -> tuple[int, dict[str, str], bytes]:
        reader, writer = await self._open()
        writer.write(post.head)
        writer.write(post.body)
        await writer.drain()
        first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        pairs = (line.partition(":") for line in lines if line)
        headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        if headers.get("connection") == "close":
            self._tear()
        return int(first.split()[1]), headers, body

"""What threads write comes whole and in order, and nothing of a connection that ends is left."""

from __future__ import annotations

import asyncio
import os
import random
import socket
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import uvloop

from dvid_framework.http.sending import Sender
from dvid_framework.http.shared_transport import LEAST_BYTES, SharedTransport

_SECONDS = 20
_LARGE = random.Random(1).randbytes(24 << 20)  # more than what sockets keep for a client that does not read


class Side(asyncio.Protocol):
    """The server's side of a connection."""

    def __init__(self, sender: Sender, by_threads: bool) -> None:
        self._sender, self._by_threads = sender, by_threads
        self.shared: SharedTransport
        self.made, self.lost, self.writable = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self.writable.set()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        loop = asyncio.get_running_loop()
        self.shared = SharedTransport(transport, self, loop, self._sender, lambda: self._by_threads)
        self.made.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self.shared.lose()
        self.lost.set()

    def pause_writing(self) -> None:
        self.writable.clear()

    def resume_writing(self) -> None:
        if not self.shared.went_on():
            self.writable.set()


@pytest.fixture
def sender() -> Iterator[Sender]:
    sender = Sender(1)
    yield sender
    sender.shutdown()


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest, sender: Sender) -> Callable[..., None]:
    """Give a function that runs a test with both sides of a connection; no open file may be left behind."""

    def run(
        test: Callable[[Side, socket.socket], Awaitable[None]], by_threads: bool = True, buffer: int | None = None
    ) -> None:
        async def main() -> None:
            loop, sides = asyncio.get_running_loop(), list[Side]()

            def make() -> Side:
                sides.append(Side(sender, by_threads))
                return sides[-1]

            server = await loop.create_server(make, "127.0.0.1", 0)
            files = _open_files()
            with closing(server), closing(socket.socket()) as client:
                if buffer is not None:
                    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
                client.setblocking(False)
                await loop.sock_connect(client, server.sockets[0].getsockname())
                while not sides:  # noqa: ASYNC110
                    await asyncio.sleep(0.001)
                await sides[0].made.wait()
                await test(sides[0], client)
                sides[0].shared.abort()
            await sides[0].lost.wait()
            while _open_files() >= files:  # noqa: ASYNC110 - a thread may have one for a moment longer
                await asyncio.sleep(0.001)

        with asyncio.Runner(loop_factory=request.param) as runner:
            runner.run(asyncio.wait_for(main(), _SECONDS))

    return run


def _open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


async def _read(client: socket.socket, length: int, most: int = 1 << 20) -> bytes:
    loop, parts = asyncio.get_running_loop(), list[bytes]()
    while length and (part := await loop.sock_recv(client, min(most, length))):
        parts.append(part)
        length -= len(part)
    return b"".join(parts)


def test_small_and_large_writes_come_in_order(run: Callable[..., None], sender: Sender) -> None:
    async def test(side: Side, client: socket.socket) -> None:
        writes = [b"head", _LARGE, b"tail", _LARGE[:LEAST_BYTES], b"", memoryview(_LARGE)[5 : 5 << 20], b"end"]
        for data in writes:
            side.shared.write(data)
        assert not side.writable.is_set()
        expected = b"".join(writes)
        assert side.shared.get_write_buffer_size() > len(expected) // 2
        assert await _read(client, len(expected)) == expected
        await side.writable.wait()
        assert side.shared.get_write_buffer_size() == 0
        side.shared.write(b"next")
        assert await _read(client, 4) == b"next"

    run(test)
    assert any(thread.name == "send_0" for thread in threading.enumerate())


def test_what_the_transport_has_left_comes_first(run: Callable[..., None]) -> None:
    async def test(side: Side, client: socket.socket) -> None:
        side._by_threads = False
        side.shared.write(_LARGE)
        side._by_threads = True
        side.shared.write(_LARGE[::-1])
        assert await _read(client, 2 * len(_LARGE)) == _LARGE + _LARGE[::-1]
        await side.writable.wait()

    run(test)


def test_without_threads_the_transport_writes_all(run: Callable[..., None]) -> None:
    async def test(side: Side, client: socket.socket) -> None:
        side.shared.write(_LARGE)
        assert await _read(client, len(_LARGE)) == _LARGE
        await side.writable.wait()

    run(test, by_threads=False)


def test_a_slow_reader_holds_no_thread(run: Callable[..., None], sender: Sender) -> None:
    async def test(side: Side, client: socket.socket) -> None:
        side.shared.write(_LARGE)
        while side.shared.with_thread:  # noqa: ASYNC110
            await asyncio.sleep(0.001)
        assert not side.writable.is_set(), "nobody has read all that"
        read, write = os.pipe()
        done = asyncio.get_running_loop().create_future()
        sender.write("other", asyncio.get_running_loop(), write, memoryview(b"x"), lambda *told: done.set_result(told))
        assert await done == (1, None)
        os.close(read)
        os.close(write)
        assert await _read(client, len(_LARGE), 100_000) == _LARGE

    run(test, buffer=4096)


def test_closing_waits_until_all_is_written(run: Callable[..., None]) -> None:
    async def test(side: Side, client: socket.socket) -> None:
        side.shared.write(_LARGE)
        side.shared.close()
        assert side.shared.is_closing()
        side.shared.write(b"too late")
        assert await _read(client, len(_LARGE) + 1) == _LARGE
        await side.lost.wait()

    run(test)


@pytest.mark.parametrize("reads", [0, 1 << 20])
def test_who_goes_away_leaves_nothing(run: Callable[..., None], reads: int) -> None:
    async def test(side: Side, client: socket.socket) -> None:
        side.shared.write(_LARGE)
        await _read(client, reads)
        client.close()
        await side.lost.wait()
        side.shared.write(_LARGE)
        assert side.shared.is_closing()

    run(test)


def test_an_end_in_the_midst_is_one_at_once(run: Callable[..., None]) -> None:
    async def test(side: Side, client: socket.socket) -> None:
        side.shared.write(_LARGE)
        side.shared.abort()
        await side.lost.wait()
        with pytest.raises((ConnectionError, AssertionError)):
            assert await _read(client, len(_LARGE)) == _LARGE

    run(test)


def test_an_end_at_once_ends_what_a_thread_writes_to_who_reads(run: Callable[..., None]) -> None:
    async def test(side: Side, client: socket.socket) -> None:
        reading = asyncio.create_task(_read(client, len(_LARGE)))
        await asyncio.sleep(0)
        side.shared.write(_LARGE)
        assert side.shared.with_thread
        side.shared.abort()
        with pytest.raises((ConnectionError, AssertionError)):
            assert await reading == _LARGE

    run(test)


def test_without_a_free_descriptor_the_transport_writes(
    run: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    def dup(_: int) -> Any:
        raise OSError(24, "too many open files")

    async def test(side: Side, client: socket.socket) -> None:
        monkeypatch.setattr(os, "dup", dup)
        side.shared.write(_LARGE)
        assert await _read(client, len(_LARGE)) == _LARGE

    run(test)

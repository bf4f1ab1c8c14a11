"""Clients that trickle, do not read, or hold connections: cut off in time, and others are served."""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Callable, Iterator

import pytest

from dvid_framework.config import Config, LimitSettings
from dvid_framework.plugins import Plugins
from dvid_framework.testing import tiny
from dvid_framework.testing.client import Client
from dvid_framework.testing.pytest_plugin import ServerFactory
from dvid_framework.testing.running import ServerThread

_LARGE = 24 << 20  # more than what sockets keep for a client that does not read
pytestmark = pytest.mark.slow  # they wait for time limits
_GET = b"GET /api/heartbeat HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
Connect = Callable[[], socket.socket]


def _limits(**more: float) -> Config:
    return Config(limits=LimitSettings(head_seconds=1.0, stall_seconds=1.0, slowest_bytes=1000, **more))  # type: ignore[arg-type]


@pytest.fixture
def server(dvid_server: ServerFactory) -> ServerThread:
    return dvid_server(config=_limits(), plugins=Plugins({"tiny": tiny}, discover=False))


@pytest.fixture
def address(server: ServerThread) -> str:
    root = server.client.new_repo()
    server.client.new_instance(root, "tiny", "t")
    return f"/api/node/{root}/t/pair/a"


@pytest.fixture
def connect(server: ServerThread) -> Iterator[Connect]:
    """Give a function that opens connections."""
    opened: list[socket.socket] = []

    def open_one() -> socket.socket:
        opened.append(socket.create_connection((server.client.host, server.client.port), timeout=20))
        return opened[-1]

    yield open_one
    for connection in opened:
        connection.close()


def _post(address: str, length: int) -> bytes:
    return f"POST {address} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {length}\r\n\r\n".encode()


def _is_closed(connection: socket.socket) -> bool:
    """Tell whether the other side has closed; what it has sent is thrown away."""
    connection.setblocking(False)
    try:
        while True:
            if not connection.recv(1 << 20):
                return True
    except BlockingIOError:
        return False
    except ConnectionError:
        return True
    finally:
        connection.setblocking(True)


def _closed_while(connection: socket.socket, step: Callable[[], object], seconds: float = 10.0) -> bool:
    """Do something again and again until the other side closes; False if it does not in time."""
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        try:
            step()
        except ConnectionError:
            return True
        if _is_closed(connection):
            return True
        time.sleep(0.05)
    return False


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_that_trickles_is_cut_off(server: ServerThread, address: str, connect: Connect, chunked: bool) -> None:
    connection = connect()
    if chunked:
        connection.sendall(f"POST {address} HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n".encode())
        assert _closed_while(connection, lambda: connection.sendall(b"1\r\nx\r\n"))
    else:
        connection.sendall(_post(address, 100_000))
        assert _closed_while(connection, lambda: connection.sendall(b"x"))
    assert server.client.get(address).status == 404
    assert server.server.budget._free == server.server.budget._total


def test_a_head_that_trickles_is_cut_off(connect: Connect) -> None:
    connection = connect()
    connection.sendall(b"GET / HTTP/1.1\r\nX: ")
    assert _closed_while(connection, lambda: connection.sendall(b"x"))


def test_a_body_that_comes_slowly_but_comes_is_taken(server: ServerThread, address: str, connect: Connect) -> None:
    connection = connect()
    connection.sendall(_post(address, 20_000))
    for _ in range(20):
        connection.sendall(b"x" * 1000)
        time.sleep(0.12)
    assert connection.recv(100).startswith(b"HTTP/1.1 200")
    assert server.client.get(address).body == b"x" * 20_000


def test_who_does_not_read_is_cut_off(server: ServerThread, address: str, connect: Connect) -> None:
    server.client.post(address, bytes(_LARGE)).ok()
    connection = connect()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.sendall(f"GET {address} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
    watch = select.poll()
    watch.register(connection, select.POLLERR | select.POLLHUP)
    assert watch.poll(10_000), "nobody reads, and the connection is kept"
    assert server.client.get("/api/heartbeat").text == "OK"


def test_who_reads_slowly_but_reads_gets_all(server: ServerThread, address: str, connect: Connect) -> None:
    server.client.post(address, bytes(_LARGE)).ok()
    connection = connect()
    connection.sendall(f"GET {address} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode())
    count = 0
    for _ in range(1 << 20):
        piece = connection.recv(1 << 19)
        if not piece:
            break
        count += len(piece)
        if count < 10 << 20:
            time.sleep(0.1)
    assert count > _LARGE


def test_a_request_does_not_last_for_ever(dvid_server: ServerFactory) -> None:
    config = _limits(request_seconds=2.0)
    server = dvid_server(config=config, plugins=Plugins({"tiny": tiny}, discover=False))
    root = server.client.new_repo()
    server.client.new_instance(root, "tiny", "t")
    with socket.create_connection((server.client.host, server.client.port), timeout=20) as connection:
        connection.sendall(_post(f"/api/node/{root}/t/pair/a", 10_000_000))
        assert _closed_while(connection, lambda: connection.sendall(b"x" * 200))
    assert server.client.get("/api/heartbeat").text == "OK"


def test_connections_are_bounded_and_others_come_in_once_there_is_room(dvid_server: ServerFactory) -> None:
    server = dvid_server(config=_limits(connections=64), plugins=Plugins({"tiny": tiny}, discover=False))
    host, port = server.client.host, server.client.port
    server.client.close()
    held = [socket.create_connection((host, port), timeout=20) for _ in range(64)]
    for connection in held:
        connection.sendall(_GET)
        assert connection.recv(1000).startswith(b"HTTP/1.1 200")
    with socket.create_connection((host, port), timeout=20) as one_more:
        answer = one_more.recv(1000)
    assert answer.startswith(b"HTTP/1.1 503")
    assert b"retry-after: 1" in answer
    for connection in held[:2]:
        connection.close()
    with Client(host, port) as other:
        assert other.get("/api/heartbeat").text == "OK"
    for connection in held:
        connection.close()


def test_500_idle_connections_hold_nobody_up(server: ServerThread, connect: Connect) -> None:
    idle = [connect() for _ in range(500)]
    for connection in idle[:250]:
        connection.sendall(_GET[:10])
    for _ in range(20):
        assert server.client.get("/api/heartbeat").text == "OK"
    assert _closed_while(idle[0], lambda: None)
    assert _closed_while(idle[-1], lambda: None)


def test_an_endless_body_is_refused_and_not_read_on(dvid_server: ServerFactory) -> None:
    config = Config(limits=LimitSettings(body_bytes=100_000, stall_seconds=5.0))
    server = dvid_server(config=config, plugins=Plugins({"tiny": tiny}, discover=False))
    root = server.client.new_repo()
    server.client.new_instance(root, "tiny", "t")
    with socket.create_connection((server.client.host, server.client.port), timeout=20) as connection:
        head = f"POST /api/node/{root}/t/pair/a HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n"
        connection.sendall(head.encode())
        sent, chunk = 0, b"10000\r\n" + bytes(1 << 16) + b"\r\n"
        answer = b""
        connection.settimeout(0.2)
        ends = time.monotonic() + 10
        while time.monotonic() < ends:
            try:
                if not answer and select.select([connection], [], [], 0)[0]:
                    answer = connection.recv(1000)
                sent += connection.send(chunk)
            except TimeoutError:
                continue
            except ConnectionError:
                break
        else:
            raise AssertionError("the connection is kept although its body was refused")
    assert answer.startswith(b"HTTP/1.1 413")
    assert sent < 80 << 20, "more than what sockets keep was taken"
    assert server.client.get("/api/heartbeat").text == "OK"

"""Bodies over a real socket: lengths that lie, chunks, early refusals, and clients that go away."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from dvid_framework.config import Config, LimitSettings
from dvid_framework.plugins import Plugins
from dvid_framework.testing import tiny
from dvid_framework.testing.client import Client
from dvid_framework.testing.pytest_plugin import ServerFactory
from dvid_framework.testing.running import ServerThread

_LIMIT = 100_000


@pytest.fixture
def server(dvid_server: ServerFactory) -> ServerThread:
    limits = LimitSettings(body_bytes=_LIMIT, memory_bytes=3 * _LIMIT, head_seconds=1.0, stall_seconds=1.0)
    return dvid_server(config=Config(limits=limits), plugins=Plugins({"tiny": tiny}, discover=False))


@pytest.fixture
def address(server: ServerThread) -> str:
    root = server.client.new_repo()
    server.client.new_instance(root, "tiny", "t")
    return f"/api/node/{root}/t/pair/a"


@pytest.fixture
def raw(server: ServerThread, address: str) -> Iterator[socket.socket]:
    """A connection for bytes of our own."""
    with socket.create_connection((server.client.host, server.client.port), timeout=30) as connection:
        yield connection


def _post(address: str, *headers: str) -> bytes:
    return "\r\n".join([f"POST {address} HTTP/1.1", "Host: 127.0.0.1", *headers, "", ""]).encode()


def _status(connection: socket.socket) -> int:
    """Read one answer with a body; returns its status."""
    head = b""
    while b"\r\n\r\n" not in head:
        piece = connection.recv(65536)
        assert piece, f"the connection was closed after {head!r}"
        head += piece
    fields, _, body = head.partition(b"\r\n\r\n")
    lengths = [line.split(b":")[1] for line in fields.split(b"\r\n") if line.lower().startswith(b"content-length")]
    while lengths and len(body) < int(lengths[0]):
        body += connection.recv(65536)
    assert b"Traceback" not in body
    return int(fields.split()[1])


def _absent(client: Client, address: str) -> bool:
    return client.get(address).status == 404


def test_a_body_at_the_limit_is_taken_and_one_above_is_not(server: ServerThread, address: str) -> None:
    client = server.client
    reply = client.post(address, b"x" * (_LIMIT + 1))
    assert reply.status == 413
    assert f"at most {_LIMIT}" in reply.text
    assert _absent(client, address)
    assert client.post(address, b"x" * _LIMIT).status == 200
    assert len(client.get(address).body) == _LIMIT


def test_a_declared_length_over_the_limit_is_refused_before_the_body_is_sent(
    server: ServerThread, address: str, raw: socket.socket
) -> None:
    raw.sendall(_post(address, "Content-Length: 1000000000000"))
    assert _status(raw) == 413
    assert _absent(server.client, address)


def test_an_early_refusal_does_not_wait_for_the_body(server: ServerThread, address: str, raw: socket.socket) -> None:
    raw.sendall(_post(address.replace("/t/pair", "/t/nothing"), f"Content-Length: {_LIMIT}"))
    assert _status(raw) == 400
    assert server.client.get("/api/heartbeat").text == "OK"


def test_chunks_are_put_together(server: ServerThread, address: str, raw: socket.socket) -> None:
    raw.sendall(_post(address, "Transfer-Encoding: chunked"))
    for piece in (b"3\r\nabc\r\n", b"1\r", b"\nd\r\n", b"0\r\n", b"\r\n"):
        raw.sendall(piece)
    assert _status(raw) == 200
    assert server.client.get(address).body == b"abcd"


def test_chunks_over_the_limit_are_refused(server: ServerThread, address: str, raw: socket.socket) -> None:
    raw.sendall(_post(address, "Transfer-Encoding: chunked"))
    for _ in range(_LIMIT // 10_000 + 1):
        raw.sendall(b"2710\r\n" + b"x" * 10_000 + b"\r\n")
    assert _status(raw) == 413
    assert _absent(server.client, address)


def test_a_body_shorter_than_declared_changes_nothing(server: ServerThread, address: str, raw: socket.socket) -> None:
    raw.sendall(_post(address, "Content-Length: 10") + b"12345")
    raw.close()
    for _ in range(3):
        assert _absent(server.client, address)


def test_a_body_cut_in_a_chunk_changes_nothing(server: ServerThread, address: str, raw: socket.socket) -> None:
    raw.sendall(_post(address, "Transfer-Encoding: chunked") + b"5\r\nabcde\r\n5\r\nab")
    raw.close()
    assert _absent(server.client, address)


def test_what_follows_a_body_longer_than_declared_is_no_part_of_it(
    server: ServerThread, address: str, raw: socket.socket
) -> None:
    raw.sendall(_post(address, "Content-Length: 5") + b"12345 and more\r\n\r\n")
    assert _status(raw) in (200, 400), "what follows is a malformed request, and closes the connection"
    assert server.client.get(address).body in (b"12345", b"")


@pytest.mark.parametrize(
    "headers",
    [
        ["Content-Length: -1"],
        ["Content-Length: abc"],
        ["Content-Length: 5", "Content-Length: 6"],
        ["Content-Length: 99999999999999999999999"],
        ["Content-Length: 5", "Transfer-Encoding: chunked"],
        ["Transfer-Encoding: nonsense", "Content-Length: 3"],
        ["Bad Header"],
        [": empty"],
    ],
)
def test_malformed_headers_are_400_and_the_server_goes_on(
    server: ServerThread, address: str, raw: socket.socket, headers: list[str]
) -> None:
    raw.sendall(_post(address, *headers) + b"abc")
    answer = raw.recv(65536)
    assert answer == b"" or answer.startswith(b"HTTP/1.1 400")
    assert _absent(server.client, address)


@pytest.mark.parametrize(
    "start", [b"\x00\x01\x02\r\n\r\n", b"GET\r\n\r\n", b"\x16\x03\x01\x02\x00\x01", b"GET / HTTP/9.9\r\n\r\n"]
)
def test_what_is_no_http_is_refused_and_the_server_goes_on(
    server: ServerThread, raw: socket.socket, start: bytes
) -> None:
    raw.sendall(start + b"\r\n\r\n")
    answer = raw.recv(65536)
    assert answer == b"" or answer.startswith(b"HTTP/1.1 4")
    assert server.client.get("/api/heartbeat").text == "OK"


def test_a_request_without_a_host_is_served(raw: socket.socket) -> None:
    raw.sendall(b"GET /api/heartbeat HTTP/1.0\r\n\r\n")
    assert _status(raw) == 200


def test_pipelined_requests_are_answered_in_order(raw: socket.socket) -> None:
    raw.sendall(b"GET /api/heartbeat HTTP/1.1\r\nHost: x\r\n\r\nGET /api/nothing HTTP/1.1\r\nHost: x\r\n\r\n")
    received = b""
    while received.count(b"HTTP/1.1") < 2 or not received.endswith(b"not found\n"):
        received += raw.recv(65536)
    assert received.index(b"200 OK") < received.index(b"404 Not Found")


def test_endless_headers_are_cut_off(server: ServerThread, raw: socket.socket) -> None:
    raw.sendall(b"GET /api/heartbeat HTTP/1.1\r\nHost: x\r\n")
    with pytest.raises(ConnectionError):  # noqa: PT012 - at some time, when the buffers are full
        for number in range(2000):
            raw.sendall(b"X-Header-%d: " % number + b"x" * 60_000 + b"\r\n")
    assert server.client.get("/api/heartbeat").text == "OK"


def test_an_endless_line_is_cut_off(server: ServerThread, raw: socket.socket) -> None:
    raw.sendall(b"GET /")
    with pytest.raises(ConnectionError):  # noqa: PT012 - at some time, when the buffers are full
        for _ in range(2000):
            raw.sendall(b"x" * 60_000)
    assert server.client.get("/api/heartbeat").text == "OK"


@pytest.mark.parametrize("start", [b"", b"GET /api/heartbeat HT", b"GET /api/heartbeat HTTP/1.1\r\nHost: x\r\n"])
def test_a_head_that_does_not_come_is_not_waited_for_long(raw: socket.socket, start: bytes) -> None:
    raw.sendall(start)
    assert raw.recv(100) == b""


def test_a_body_that_stalls_is_not_waited_for_long(server: ServerThread, address: str, raw: socket.socket) -> None:
    raw.sendall(_post(address, "Content-Length: 100") + b"x" * 50)
    assert raw.recv(100) == b""
    assert _absent(server.client, address)


def test_an_idle_connection_is_kept_longer_than_a_slow_head(raw: socket.socket) -> None:
    raw.sendall(b"GET /api/heartbeat HTTP/1.1\r\nHost: x\r\n\r\n")
    assert _status(raw) == 200
    raw.settimeout(2.5)
    with pytest.raises(TimeoutError):
        raw.recv(100)
    raw.settimeout(30)
    raw.sendall(b"GET /api/heartbeat HTTP/1.1\r\nHost: x\r\n\r\n")
    assert _status(raw) == 200


def test_memory_for_bodies_is_bounded_over_all_requests(server: ServerThread, address: str) -> None:
    connections = []
    for _ in range(4):  # the fourth finds the budget of three taken
        connection = socket.create_connection((server.client.host, server.client.port), timeout=30)
        connection.sendall(_post(address, f"Content-Length: {_LIMIT}") + b"x")
        connections.append(connection)
        server.client.get("/api/heartbeat").ok()
    assert _status(connections[3]) == 503
    for connection in connections:
        connection.close()
    while server.client.post(address, b"x" * _LIMIT).status == 503:
        pass  # until the server has seen that the others went away
    assert len(server.client.get(address).body) == _LIMIT


def test_the_budget_is_given_back_after_every_kind_of_end(server: ServerThread, address: str) -> None:
    budget = server.server.budget
    for body in (b"x" * _LIMIT, b"x" * (_LIMIT + 1), b""):
        server.client.post(address, body)
    server.client.post(address.replace("/pair/a", "/pairs"), b"no json" * 1000)
    assert budget._free == budget._total == 3 * _LIMIT

"""Requests whose header fields are those of the one before: only their lines are read, and nothing is mixed up."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator

import pytest

from dvid_framework.config import Config, LimitSettings
from dvid_framework.plugins import Plugins
from dvid_framework.testing import tiny
from dvid_framework.testing.pytest_plugin import ServerFactory
from dvid_framework.testing.running import ServerThread


@pytest.fixture
def address(tiny_server: ServerThread) -> str:
    """An address that is answered at once, by a sentence that names the Host of the request and what is asked for."""
    client = tiny_server.client
    root = client.new_repo()
    client.new_instance(root, "tiny", "a")
    return f"/api/node/{root}/a"


@pytest.fixture
def raw(tiny_server: ServerThread) -> Iterator[socket.socket]:
    with socket.create_connection((tiny_server.client.host, tiny_server.client.port), timeout=30) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        yield connection


def request(path: str, *fields: str, method: str = "GET") -> bytes:
    return "\r\n".join((f"{method} {path} HTTP/1.1", *fields, "", "")).encode()


def reply(connection: socket.socket) -> bytes:
    """Read one answer, and nothing behind it: status line and body."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += connection.recv(1)
    size = next(int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length"))
    return head.split(b"\r\n")[0] + b" " + connection.recv(size, socket.MSG_WAITALL)


def asked(connection: socket.socket, *data: bytes) -> bytes:
    for part in data:
        connection.sendall(part)
    return reply(connection)


def test_each_request_has_its_own_path_query_and_fields(raw: socket.socket, address: str) -> None:
    for number in range(4):
        for host in ("one", "two", "two"):
            got = asked(raw, request(f"{address}/word{number}?x=1", f"Host: {host}"))
            assert got.startswith(b"HTTP/1.1 400 ")
            assert f"word{number}".encode() in got
            assert f"http://{host}/api/help".encode() in got


def test_a_request_without_fields_is_not_the_end_of_another(raw: socket.socket, address: str) -> None:
    for fields, shown in (((), b"localhost"), ((), b"localhost"), (("Host: x",), b"http://x/"), ((), b"localhost")):
        assert shown in asked(raw, request(f"{address}/word", *fields))


def test_fields_of_a_request_that_came_in_two_parts_are_not_taken_for_those_of_its_end(
    raw: socket.socket, address: str
) -> None:
    end = request(f"{address}/word", "Host: true")
    for _ in range(3):
        assert b"http://true/" in asked(raw, end)
    raw.sendall(f"GET {address}/other HTTP/1.1\r\nHost: false\r\nX: ".encode())
    time.sleep(0.2)  # so that the server reads it by itself
    assert b"http://false/" in asked(raw, end)
    for _ in range(3):
        assert b"http://true/" in asked(raw, end)


def test_several_at_once_and_parts_of_the_next_are_answered_in_order(raw: socket.socket, address: str) -> None:
    words = [request(f"{address}/word{number}", "Host: x") for number in range(6)]
    assert b"word0" in asked(raw, words[0])
    assert b"word1" in asked(raw, words[1])
    assert b"word2" in asked(raw, words[2] + words[3] + words[4][:9])
    assert b"word3" in reply(raw)
    assert b"word4" in asked(raw, words[4][9:])
    assert b"word5" in asked(raw, words[5])


def test_other_methods_in_between_are_what_they_are(raw: socket.socket, address: str) -> None:
    for number in range(3):
        assert b" 400 " in asked(raw, request(f"{address}/word", "Host: 127.0.0.1"))
        assert b"word" in asked(raw, request(f"{address}/word", "Host: 127.0.0.1"))
        body = request("/api/server/info", "Host: 127.0.0.1")  # looks like a request, and is the value of a key
        head = request(f"{address}/pair/k{number}", "Host: 127.0.0.1", f"Content-Length: {len(body)}", method="POST")
        assert asked(raw, head, body) == b"HTTP/1.1 200 OK "
        assert asked(raw, request(f"{address}/pair/k{number}", "Host: 127.0.0.1")).endswith(body)


@pytest.mark.parametrize("line", ["GET {}/wo rd", "GET {}/w\x01d", "get {}/word", "GET http:/{}", "GET /{}/word"])
def test_a_line_that_is_not_plain_is_left_to_the_parser(raw: socket.socket, address: str, line: str) -> None:
    strange = (line.format(address) + " HTTP/1.1\r\nHost: x\r\n\r\n").encode()
    with socket.create_connection(raw.getpeername(), timeout=30) as fresh:
        expected = asked(fresh, strange)
    for _ in range(3):
        asked(raw, request(f"{address}/word", "Host: x"))
    assert asked(raw, strange) == expected


def test_a_connection_is_kept_while_requests_come_and_ends_when_none_does(dvid_server: ServerFactory) -> None:
    server = dvid_server(
        config=Config(limits=LimitSettings(keep_alive_seconds=1)), plugins=Plugins({"tiny": tiny}, discover=False)
    )
    client = server.client
    with socket.create_connection((client.host, client.port), timeout=30) as connection:
        began = time.monotonic()
        while time.monotonic() - began < 2.5:
            assert b" 200 " in asked(connection, request("/api/server/info", "Host: 127.0.0.1"))
            time.sleep(0.2)
        assert connection.recv(1) == b""

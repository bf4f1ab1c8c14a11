"""Answers without a task, over a real socket: they are the same answers, in the order of the requests."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator

import pytest

from dvid_framework.testing.client import Client
from dvid_framework.testing.running import ServerThread

INFO = "/api/server/info"  # a point read
REPOS = "/api/repos/info"  # no point read
MISSING = "/api/node/ff/none/info"
EMPTY_BODY = "Content-Length: 0\r\n"


@pytest.fixture
def raw(tiny_server: ServerThread) -> Iterator[socket.socket]:
    with socket.create_connection((tiny_server.client.host, tiny_server.client.port), timeout=30) as connection:
        yield connection


def request(path: str, fields: str = "", version: str = "1.1", method: str = "GET") -> bytes:
    return f"{method} {path} HTTP/{version}\r\nHost: 127.0.0.1\r\n{fields}\r\n".encode()


def replies(connection: socket.socket, count: int) -> list[tuple[bytes, dict[bytes, bytes], bytes]]:
    """Read answers: status line, headers by lower-case name, body."""
    reader, found = connection.makefile("rb"), []
    for _ in range(count):
        status, fields = reader.readline().strip(), {}
        while line := reader.readline().strip():
            name, _, value = line.partition(b":")
            fields[name.lower()] = value.strip()
        body = b""
        if fields.get(b"transfer-encoding") == b"chunked":
            while size := int(reader.readline(), 16):
                body += reader.read(size)
                reader.readline()
            reader.readline()
        else:
            body = reader.read(int(fields[b"content-length"]))
        found.append((status, fields, body))
    return found


@pytest.mark.parametrize("path", [INFO, MISSING, "/api/nothing"])
def test_answers_are_the_same_with_and_without_a_task(raw: socket.socket, path: str) -> None:
    raw.sendall(request(path) + request(path, EMPTY_BODY))
    (status, fields, body), other = replies(raw, 2)
    uptime = re.compile(rb'"Server (time|uptime)":"[^"]*"')
    assert (status, uptime.sub(b"", body)) == (other[0], uptime.sub(b"", other[2]))
    fields.pop(b"date")
    other[1].pop(b"date")
    if path == INFO:
        fields.pop(b"content-length")
        other[1].pop(b"content-length")
    assert fields == other[1]


def test_pipelined_requests_are_answered_in_their_order(raw: socket.socket) -> None:
    order = [INFO, MISSING, REPOS, INFO, REPOS, REPOS, MISSING, INFO]
    raw.sendall(b"".join(map(request, order)))
    starts = {INFO: b"{", REPOS: b"{", MISSING: b"there is no version"}
    for path, (_, _, body) in zip(order, replies(raw, len(order)), strict=True):
        assert body.startswith(starts[path]), path
        assert (b"Cores" in body) == (path == INFO)


def test_a_request_in_small_parts_is_answered_once(raw: socket.socket) -> None:
    raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for byte in request(INFO):
        raw.sendall(bytes((byte,)))
    raw.sendall(request(MISSING))
    (first, _, _), (second, _, _) = replies(raw, 2)
    assert first.startswith(b"HTTP/1.1 200")
    assert second.startswith(b"HTTP/1.1 400")


def test_a_body_that_nobody_wants_is_no_request(raw: socket.socket) -> None:
    raw.sendall(request(INFO, "Content-Length: 5\r\n") + b"GET /" + request(MISSING))
    (first, _, _), (second, _, _) = replies(raw, 2)
    assert first.startswith(b"HTTP/1.1 200")
    assert second.startswith(b"HTTP/1.1 400")


@pytest.mark.parametrize(("fields", "version"), [("Connection: close\r\n", "1.1"), ("", "1.0")])
def test_a_connection_that_shall_end_ends(raw: socket.socket, fields: str, version: str) -> None:
    raw.sendall(request(INFO, fields, version))
    ((status, _, body),) = replies(raw, 1)
    assert status.endswith(b"200 OK")
    assert b"Cores" in body
    assert raw.recv(1) == b""


def test_head_has_no_body(raw: socket.socket) -> None:
    raw.sendall(request(INFO, method="HEAD") + request(INFO))
    reader = raw.makefile("rb")
    for expected in (b"", b"{"):
        fields = list(iter(lambda: reader.readline().strip().lower(), b""))
        assert any(field.startswith(b"content-length: ") for field in fields)
        assert reader.peek(1)[:1] in (expected or b"H")


def test_one_who_does_not_read_stops_nobody(tiny_server: ServerThread, raw: socket.socket) -> None:
    raw.setblocking(False)
    sent, batch = 0, request(INFO) * 100
    try:
        while sent < 64 << 20:  # far more than sockets hold: the server stops reading
            sent += raw.send(batch)
    except BlockingIOError:
        pass
    assert sent < 64 << 20
    assert tiny_server.new_client().get(INFO).status == 200


def test_what_is_answered_at_once_is_counted(client: Client) -> None:
    before = client.json("/api/load")["GET requests"]
    for _ in range(50):
        client.get(INFO).ok()
    assert client.json("/api/load")["GET requests"] >= before + 5

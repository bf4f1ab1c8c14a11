"""Whole answers of tasks: one write where nothing speaks against it, and else what they were."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from dvid_framework.http.answers import Bytes, binary
from dvid_framework.http.dispatch import Meter
from dvid_framework.http.large_answers import LargeAnswers
from dvid_framework.http.neighbours import Neighbours
from dvid_framework.http.protocol import BoundedProtocol
from dvid_framework.testing.running import ServerThread


@pytest.fixture
def connection(tiny_server: ServerThread) -> Iterator[socket.socket]:
    with socket.create_connection((tiny_server.client.host, tiny_server.client.port), timeout=30) as connection:
        yield connection


def request(method: str, fields: str = "", version: str = "1.1", body: str = "{}") -> bytes:
    head = f"{method} /api/repos HTTP/{version}\r\nHost: 127.0.0.1\r\nContent-Length: {len(body)}\r\n{fields}\r\n"
    return (head + body).encode()


def test_a_short_answer_comes_at_once(connection: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[Bytes] = []
    write = BoundedProtocol._write

    def noted(protocol: BoundedProtocol, answer: Bytes) -> None:
        written.append(answer)
        write(protocol, answer)

    monkeypatch.setattr(BoundedProtocol, "_write", noted)
    for count in (1, 2):
        connection.sendall(request("POST"))
        head, _, body = connection.recv(1 << 16).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 OK\r\ndate: ")
        assert body.startswith(b'{"root":')
        assert [answer.body for answer in written[count - 1 :]] == [body]


@pytest.mark.parametrize(
    ("fields", "version", "goes_on"),
    [("", "1.1", True), ("Connection: close\r\n", "1.1", False), ("", "1.0", False)],
)
def test_connections_end_as_they_should(connection: socket.socket, fields: str, version: str, goes_on: bool) -> None:
    connection.sendall(request("POST", fields, version))
    reader = connection.makefile("rb")
    head = []
    while line := reader.readline().strip():
        head.append(line.lower())
    length = next(int(line.split()[1]) for line in head if line.startswith(b"content-length:"))
    assert len(reader.read(length)) == length
    assert (b"connection: close" in head) != goes_on
    if goes_on:
        connection.sendall(request("POST"))
        assert reader.readline() == b"HTTP/1.1 200 OK\r\n"
    else:
        assert reader.read() == b""


def test_answers_of_a_pipeline_come_in_order(connection: socket.socket) -> None:
    bad = request("POST", body="[")
    connection.sendall(
        request("POST") + bad + request("POST") + request("HEAD", body="") + request("POST", "Connection: close\r\n")
    )
    answers = connection.makefile("rb").read()
    codes = [part.split()[0] for part in answers.split(b"HTTP/1.1 ")[1:]]
    assert codes[:3] == [b"200", b"400", b"200"]
    assert len(codes) == 5
    assert codes[4] == b"200"


@pytest.mark.parametrize(
    ("method", "answer", "extra"),
    [
        ("HEAD", binary(b"x"), ()),
        ("GET", binary(b"<p>", "text/html"), ()),
        ("GET", binary(bytes((1 << 20) + 1)), ()),
        ("GET", binary(b"x"), ((b"access-control-allow-origin", b"*"),)),
    ],
)
def test_what_is_sent_as_before(method: str, answer: Bytes, extra: tuple[tuple[bytes, bytes], ...]) -> None:
    async def nothing(*_: Any) -> Any:
        return {}

    scope, taken = {"method": method, "path": "/api/help", "client": ("::1", 1)}, []

    def take(whole: Bytes) -> bool:
        taken.append(whole)
        return True

    meter = Meter(scope, nothing, nothing, LargeAnswers(Neighbours()), extra)
    meter.at_once = take
    assert not meter.send_whole(answer)
    assert not taken
    plain = Meter({**scope, "method": "GET"}, nothing, nothing, LargeAnswers(Neighbours()))
    assert not plain.send_whole(binary(b"xy"))  # nobody takes it
    plain.at_once = take
    assert plain.send_whole(binary(memoryview(b"xy")))
    assert (len(taken), plain.status, plain.bytes_out) == (1, 200, 2)


def test_the_protocol_tells_what_it_cannot_send() -> None:
    fine = {"response_started": False, "disconnected": False, "keep_alive": True, "waiting_for_100_continue": False}
    for wrong, value in fine.items():
        cycle = SimpleNamespace(**{**fine, wrong: not value})
        assert not BoundedProtocol._write_whole(SimpleNamespace(), cycle, binary(b"x"))  # type: ignore[arg-type]
    for paused, closing in ((True, False), (False, True)):
        flow, transport = SimpleNamespace(write_paused=paused), SimpleNamespace(is_closing=lambda is_it=closing: is_it)
        protocol = SimpleNamespace(flow=flow, transport=transport)
        assert not BoundedProtocol._write_whole(protocol, SimpleNamespace(**fine), binary(b"x"))  # type: ignore[arg-type]

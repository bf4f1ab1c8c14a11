"""Property transactions: numbers tell who comes too late."""

from __future__ import annotations

import os
import random
import struct
import threading

import pytest
from dvid_labelgraph.transactions import Numbers, decode_request

from dvid_framework.api import BadRequest

TWO = b'{"Vertices":[{"Id":1},{"Id":2},{"Id":3}],"Edges":[{"Id1":1,"Id2":2}]}'


def numbers(*values: int | bytes) -> bytes:
    return b"".join(value if isinstance(value, bytes) else struct.pack("<Q", value) for value in values)


def test_the_numbers_of_a_vertex(graph) -> None:
    graph.post("subgraph", TWO).ok()
    read = numbers(1, 1, 0, 1, 1)
    assert graph.get("propertytransaction/vertices/p", read).ok().body == numbers(1, 1, 1, 0, 1, 1, 0)
    write = numbers(1, 1, 1, 1, 1, 5, b"fivey")
    assert graph.post("propertytransaction/vertices/p", write).ok().body == numbers(1, 1, 2, 0)
    assert graph.post("propertytransaction/vertices/p", write).ok().body == numbers(0, 1, 1)
    assert graph.get("propertytransaction/vertices/p", read).ok().body == numbers(1, 1, 2, 0, 1, 1, 5, b"fivey")
    assert graph.get("property/1/p").ok().body == b"fivey"


def test_properties_of_edges_need_both_ends(graph) -> None:
    graph.post("subgraph", TWO).ok()
    both = numbers(2, 1, 0, 2, 0, 0)
    assert graph.get("propertytransaction/edges/p", both).ok().body == numbers(2, 1, 1, 2, 2, 0, 0)
    half = numbers(1, 1, 1, 1, 2, 1, 1, b"x")
    assert graph.post("propertytransaction/edges/p", half).ok().body == numbers(1, 1, 3, 0)
    assert graph.get("property/1/2/p").status == 404
    whole = numbers(2, 1, 3, 2, 2, 2, 2, 1, 1, b"x", 1, 3, 1, b"y")
    assert graph.post("propertytransaction/edges/p", whole).ok().body == numbers(2, 1, 4, 2, 5, 0)
    assert graph.get("property/1/2/p").ok().body == b"x"
    assert graph.get("property/1/3/p").status == 404, "there is no such edge"
    asked = numbers(1, 1, 0, 1, 1, 2)
    assert graph.get("propertytransaction/edges/p", asked).ok().body == numbers(1, 1, 4, 0, 0)


def test_no_number_is_given_twice_over_restarts(server, graph) -> None:
    graph.post("subgraph", TWO).ok()
    read = numbers(1, 1, 0, 0)
    graph.get("propertytransaction/vertices/p", read).ok()
    server.restart()
    graph.client = server.client
    late = numbers(1, 1, 1, 1, 1, 1, b"x")
    assert graph.post("propertytransaction/vertices/p", late).ok().body == numbers(0, 1, 1)
    (number,) = struct.unpack_from("<Q", graph.get("propertytransaction/vertices/p", read).ok().body, 16)
    assert number > 1
    assert graph.post("propertytransaction/vertices/p", late).ok().body == numbers(0, 1, 1)
    assert graph.get("property/1/p").status == 404


MALFORMED = (
    b"",
    numbers(1),
    numbers(1, 1),
    numbers(1, 1, 0),
    numbers(0, 1),
    numbers(1 << 60),
    numbers(0, 1 << 63),
    numbers(0, 1, 1, 5, b"four"),
    numbers(0, 1, 1, 1 << 62),
    numbers(1001, *([1, 0] * 1001), 0),
    b"\x00" * 15,
)


@pytest.mark.parametrize("body", MALFORMED)
def test_malformed_requests_are_refused(graph, body: bytes) -> None:
    assert graph.post("propertytransaction/vertices/p", body).status == 400
    if len(body) < 24:
        assert graph.get("propertytransaction/edges/p", body).status == 400


def test_addresses(graph) -> None:
    nothing = numbers(0, 0)
    assert graph.get("propertytransaction/vertices/p", nothing).ok().body == numbers(0, 0, 0)
    for rest in ("propertytransaction/foo/p", "propertytransaction/edges", "propertytransaction"):
        assert graph.get(rest, nothing).status == 400
    assert graph.send("DELETE", "propertytransaction/vertices/p", nothing).status == 400


def test_of_writers_at_once_one_wins(server, graph) -> None:
    graph.post("subgraph", TWO).ok()
    (number,) = struct.unpack_from("<Q", graph.get("propertytransaction/vertices/p", numbers(1, 1, 0, 0)).body, 16)
    won: list[int] = []

    def write(worker: int) -> None:
        with server.new_client() as client:
            body = numbers(1, 1, number, 1, 1, 1, bytes([worker]))
            answer = graph.by(client).post("propertytransaction/vertices/p", body).ok().body
            if struct.unpack_from("<Q", answer)[0]:
                won.append(worker)

    threads = [threading.Thread(target=write, args=(worker,)) for worker in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1
    assert graph.get("property/1/p").body == bytes(won)


def test_vertices_have_numbers_of_one_counter() -> None:
    known = Numbers(lambda: 10)
    assert known.look_at([5, 6, 5]) == [(5, 11), (6, 12), (5, 11)]
    assert known.holding([(5, 11), (6, 11), (7, 1), (5, 11)]) == ([5], [6, 7, 5])
    assert known.advance([5]) == [(5, 13)]


@pytest.mark.fuzz
def test_mutated_requests_are_read_or_refused() -> None:
    rng = random.Random(8)
    seed = numbers(2, 1, 5, 2, 6, 2, 1, 3, b"abc", 2, 0)
    for _ in range(int(os.environ.get("DVID_FUZZ_COUNT", "10000"))):
        body = bytearray(seed)
        for _ in range(rng.randint(1, 5)):
            at = rng.randrange(len(body))
            body[at : at + rng.randint(0, 9)] = rng.randbytes(rng.randint(0, 9))
            body += b"x"
        try:
            request = decode_request(bytes(body), rng.random() < 0.5, rng.random() < 0.5)
        except BadRequest:
            continue
        assert len(request.numbers) + len(request.wanted) <= len(body) // 8

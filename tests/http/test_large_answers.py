"""Large answers come whole, and those that are sent side by side take turns."""

from __future__ import annotations

import array
import asyncio
import random
from itertools import pairwise
from typing import Any

import pytest

from dvid_framework.http.large_answers import LargeAnswers
from dvid_framework.http.neighbours import Neighbours

_START = {"type": "http.response.body", "more_body": True}


class Wire:
    """Keeps what is sent on several connections, in order."""

    def __init__(self) -> None:
        self.sent: list[tuple[int, dict[str, Any]]] = []

    def connection(self, number: int) -> Any:
        async def send(message: Any) -> None:
            self.sent.append((number, {**message, "body": bytes(message["body"])}))

        return send

    def body(self, number: int) -> bytes:
        return b"".join(message["body"] for sender, message in self.sent if sender == number)


def test_one_alone_is_sent_in_one_turn_for_every_few_megabytes() -> None:
    wire, body = Wire(), random.Random(1).randbytes(9 << 20)
    asyncio.run(LargeAnswers(Neighbours()).send(wire.connection(1), {**_START, "more_body": False}, body))
    assert wire.body(1) == body
    assert len(wire.sent) == 3
    assert [message["more_body"] for _, message in wire.sent] == [True, True, False]


def test_those_side_by_side_take_turns() -> None:
    wire, large = Wire(), LargeAnswers(Neighbours())
    bodies = [random.Random(number).randbytes(3 << 20) for number in range(8)]

    async def send_all() -> None:
        await asyncio.gather(
            *(large.send(wire.connection(number), _START, memoryview(body)) for number, body in enumerate(bodies))
        )

    asyncio.run(send_all())
    assert [wire.body(number) for number in range(8)] == bodies
    senders = [number for number, _ in wire.sent]
    all_wait = senders[: senders.index(7) + 20]
    assert all(one != other for one, other in pairwise(all_wait)), "nobody has two turns"


def test_elements_of_any_size_are_bytes() -> None:
    wire, numbers = Wire(), array.array("q", range(100_000))
    asyncio.run(LargeAnswers(Neighbours()).send(wire.connection(1), _START, memoryview(numbers)))
    assert wire.body(1) == numbers.tobytes()


def test_one_that_breaks_off_counts_no_more() -> None:
    wire, large = Wire(), LargeAnswers(Neighbours())

    async def gone(_: Any) -> None:
        raise ConnectionError

    for _ in range(50):
        with pytest.raises(ConnectionError):
            asyncio.run(large.send(gone, _START, bytes(1 << 20)))
    asyncio.run(large.send(wire.connection(1), _START, bytes(3 << 20)))
    assert len(wire.sent) == 1

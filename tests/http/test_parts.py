"""Answers of parts at hand: all of them in order, and what they hold is given back however they end."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from dvid_framework.errors import TooLarge, Unavailable
from dvid_framework.http.answers import Parts, binary
from dvid_framework.http.limits import Budget


def test_parts_are_sent_in_order_with_their_length() -> None:
    sent: list[dict[str, Any]] = []

    async def send(message: Any) -> None:
        sent.append(message)

    ended: list[bool] = []
    asyncio.run(Parts([b"ab", memoryview(b"cde")], on_end=lambda: ended.append(True))({}, None, send))  # type: ignore[arg-type, typeddict-item]
    assert (b"content-length", b"5") in sent[0]["headers"]
    assert b"".join(bytes(message["body"]) for message in sent[1:]) == b"abcde"
    assert [message["more_body"] for message in sent[1:]] == [True, True, False]
    assert ended == [True]


def test_what_is_held_is_given_back_when_the_client_goes_away() -> None:
    async def send(message: Any) -> None:
        if message["type"] == "http.response.body":
            raise ConnectionResetError

    ended: list[bool] = []
    answer = Parts([b"a"], on_end=lambda: ended.append(True))
    with pytest.raises(ConnectionResetError):
        asyncio.run(answer({}, None, send))  # type: ignore[arg-type, typeddict-item]
    assert ended == [True]


def test_more_headers_leave_the_parts_as_they_are() -> None:
    for answer in (Parts([b"ab", b"c"]), binary(b"abc")):
        more = answer.with_headers([(b"vary", b"origin")])
        assert more.headers == [
            (b"content-type", b"application/octet-stream"),
            (b"content-length", b"3"),
            (b"vary", b"origin"),
        ]
        assert (more.status, more.length, b"".join(more.parts)) == (200, 3, b"abc")


def test_a_budget_is_shared_by_threads() -> None:
    budget, refused = Budget(10), []

    def use() -> None:
        for _ in range(2000):
            try:
                budget.take(4)
            except Unavailable:
                refused.append(1)
                continue
            assert budget.held <= 10
            budget.give_back(4)

    with ThreadPoolExecutor(4) as threads:
        for done in [threads.submit(use) for _ in range(4)]:
            done.result()
    assert budget.held == 0
    with pytest.raises(TooLarge):
        budget.take(11)

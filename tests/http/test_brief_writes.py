"""Brief writes: made by one thread, one after the other, and made durable together."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from dvid_framework.errors import BadRequest, StorageError, Unavailable
from dvid_framework.http.brief_writes import BriefWrites, Made
from dvid_framework.http.work import WorkPool


class Log:
    """A log whose fsync takes as long as a test wants."""

    def __init__(self) -> None:
        self.asked: list[int] = []
        self.failure: Exception | None = None
        self.begun, self.synced = threading.Event(), threading.Event()
        self.synced.set()

    def when_durable(self, number: int, tell: Callable[[Exception | None], None]) -> None:
        self.asked.append(number)
        self.begun.set()
        assert self.synced.wait(30)
        tell(self.failure)


@pytest.fixture
def pool() -> Iterator[WorkPool]:
    pool = WorkPool(3, 50, 80)
    yield pool
    pool.shutdown()


@pytest.fixture
def log() -> Log:
    return Log()


@pytest.fixture
def writes(log: Log) -> BriefWrites:
    return BriefWrites(log)  # type: ignore[arg-type]  # all that it asks of one


def all_of(pool: WorkPool, writes: BriefWrites, makes: list[Callable[[], Made | None]], clients: int = 1) -> list[Any]:
    """Have writes made at the same time; returns results and exceptions."""

    async def one(number: int, make: Callable[[], Made | None]) -> Any:
        work = pool.begin(f"client {number % clients}")
        try:
            return await writes.make(pool, make)
        finally:
            pool.end(work)

    async def every() -> list[Any]:
        return await asyncio.gather(*(one(*pair) for pair in enumerate(makes)), return_exceptions=True)

    return asyncio.run(every())


@pytest.mark.parametrize("clients", [1, 7])
def test_each_is_made_once_and_none_beside_another(pool: WorkPool, writes: BriefWrites, log: Log, clients: int) -> None:
    inside, made = threading.Lock(), []

    def make(number: int) -> Made:
        assert inside.acquire(blocking=False)
        made.append(number)
        inside.release()
        return Made(number, -number)

    makes: list[Callable[[], Made | None]] = [lambda number=number: make(number) for number in range(1, 41)]  # type: ignore[misc]
    assert all_of(pool, writes, makes, clients) == [-number for number in range(1, 41)]
    assert sorted(made) == list(range(1, 41))
    assert made[-1] in log.asked
    assert len(log.asked) < 20  # of many together


def test_the_next_are_made_while_others_become_durable(pool: WorkPool, writes: BriefWrites, log: Log) -> None:
    log.synced.clear()

    def last() -> Made:
        threading.Timer(0.05, log.synced.set).start()  # not before this one is made, too
        return Made(2, "second")

    async def both() -> list[Any]:
        first = asyncio.ensure_future(writes.make(pool, lambda: Made(1, "first")))
        await asyncio.to_thread(log.begun.wait)
        return [await writes.make(pool, last), await first]

    assert asyncio.run(both()) == ["second", "first"]


def test_a_fault_is_told_to_its_own_request(pool: WorkPool, writes: BriefWrites) -> None:
    def refuse() -> Made:
        raise BadRequest("no")

    found = all_of(pool, writes, [lambda: Made(1, "a"), refuse, lambda: None, lambda: Made(2, "b")])
    assert [str(one) if isinstance(one, BadRequest) else one for one in found] == ["a", "no", None, "b"]


def test_what_is_not_durable_is_told_to_all(pool: WorkPool, writes: BriefWrites, log: Log) -> None:
    log.failure = StorageError("the disk is gone")
    found = all_of(pool, writes, [lambda: Made(1, "a"), lambda: None, lambda: Made(2, "b")])
    assert [type(one) for one in found] == [StorageError, type(None), StorageError]


def test_what_is_given_up_before_its_turn_is_not_made(pool: WorkPool, writes: BriefWrites) -> None:
    begun, go_on, made = threading.Event(), threading.Event(), []

    def slow() -> Made:
        begun.set()
        assert go_on.wait(30)
        return Made(1, "slow")

    async def play() -> Any:
        first = asyncio.ensure_future(writes.make(pool, slow))
        await asyncio.to_thread(begun.wait)
        second = asyncio.ensure_future(writes.make(pool, lambda: made.append(2)))
        await asyncio.sleep(0)
        second.cancel()
        await asyncio.sleep(0)
        go_on.set()
        return await first

    assert asyncio.run(play()) == "slow"
    assert not made


def test_waiting_requests_are_counted(writes: BriefWrites) -> None:
    pool, go_on = WorkPool(1, 2, 80), threading.Event()

    def slow() -> Made:
        assert go_on.wait(30)
        return Made(1, "slow")

    async def play() -> list[Any]:
        async def one() -> Any:
            work = pool.begin("a client")
            try:
                return await writes.make(pool, slow)
            finally:
                pool.end(work)

        tasks = [asyncio.ensure_future(one()) for _ in range(3)]
        await asyncio.sleep(0.01)
        go_on.set()
        return await asyncio.gather(*tasks, return_exceptions=True)

    found = asyncio.run(play())
    assert [one if isinstance(one, str) else type(one) for one in found] == ["slow", "slow", Unavailable]
    pool.shutdown()

"""Threads of requests: clients by turns, bounded queues, and what ends early."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import Any

import pytest

from dvid_framework.errors import Unavailable
from dvid_framework.http.neighbours import Neighbours
from dvid_framework.http.work import RequestWork, WorkPool


class Gate:
    """Work that lasts until it is let go, and tells in which order it was done."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.order: list[str] = []

    def pass_through(self, name: str) -> str:
        self.open.wait(30)
        self.order.append(name)
        return name


@pytest.fixture
def gate() -> Iterator[Gate]:
    gate = Gate()
    yield gate
    gate.open.set()


@pytest.fixture
def pool() -> Iterator[WorkPool]:
    pool = WorkPool(1, 3, 5)
    yield pool
    pool.shutdown()


def _as(pool: WorkPool, client: str, function: Callable[[str], str], name: str) -> tuple[RequestWork, Future[str]]:
    """Submit one thing as a request of a client."""

    def request() -> tuple[RequestWork, Future[str]]:
        return pool.begin(client), pool.submit(function, name)

    return contextvars.copy_context().run(request)


def test_clients_take_turns(gate: Gate) -> None:
    pool = WorkPool(1, 100, 100)
    futures = [_as(pool, "heavy", gate.pass_through, f"h{number}")[1] for number in range(10)]
    futures += [_as(pool, client, gate.pass_through, client)[1] for client in ("a", "b")]
    futures.append(_as(pool, "a", gate.pass_through, "a2")[1])
    gate.open.set()
    assert [future.result(10) for future in futures][-3:] == ["a", "b", "a2"]
    assert gate.order[:6] == ["h0", "h1", "a", "b", "h2", "a2"]
    assert gate.order[6:] == [f"h{number}" for number in range(3, 10)]
    pool.shutdown()


def test_nobody_s_queue_is_endless(pool: WorkPool, gate: Gate) -> None:
    works = [_as(pool, "a", gate.pass_through, "a")[0] for _ in range(3)]
    with pytest.raises(Unavailable, match="3 requests of yours"):
        _as(pool, "a", gate.pass_through, "a")
    works += [_as(pool, client, gate.pass_through, client)[0] for client in ("b", "c")]
    with pytest.raises(Unavailable, match="5 requests"):
        _as(pool, "d", gate.pass_through, "d")
    pool.end(works[0])
    _as(pool, "d", gate.pass_through, "d")
    for work in works[1:3]:
        pool.end(work)
    _as(pool, "a", gate.pass_through, "a")


def test_what_has_begun_is_not_refused_in_its_midst(pool: WorkPool, gate: Gate) -> None:
    def request() -> list[Future[Any]]:
        pool.begin("a")
        return [pool.submit(gate.pass_through, str(number)) for number in range(20)]

    futures = contextvars.copy_context().run(request)
    gate.open.set()
    assert [future.result(10) for future in futures] == [str(number) for number in range(20)]


def test_errors_and_results_reach_who_waits(pool: WorkPool) -> None:
    def fail() -> None:
        raise ValueError("as told")

    with pytest.raises(ValueError, match="as told"):
        pool.submit(fail).result(10)
    assert pool.submit(lambda: 7).result(10) == 7


def test_what_nobody_waits_for_any_more_is_not_done(pool: WorkPool, gate: Gate) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        first = loop.run_in_executor(pool, gate.pass_through, "first")
        waiting = loop.run_in_executor(pool, gate.pass_through, "given up")
        waiting.cancel()
        await asyncio.sleep(0)  # the loop hands it on to the pool's future
        gate.open.set()
        assert await first == "first"

    asyncio.run(main())
    assert pool.submit(lambda: list(gate.order)).result(10) == ["first"]


def test_an_event_loop_gets_results_and_errors_and_gives_up(pool: WorkPool, gate: Gate) -> None:
    def fail() -> None:
        raise ValueError("as told")

    async def main() -> None:
        first = pool.start(lambda: gate.pass_through("first"))
        waiting = pool.start(lambda: gate.pass_through("given up"))
        failing = pool.start(fail)
        waiting.cancel()
        gate.open.set()
        assert await first == "first"
        with pytest.raises(ValueError, match="as told"):
            await failing
        with pytest.raises(asyncio.CancelledError):
            await waiting

    asyncio.run(main())
    assert gate.order == ["first"]


def test_work_that_outlives_its_loop_disturbs_nobody(pool: WorkPool, gate: Gate) -> None:
    async def main() -> None:
        pool.start(lambda: gate.pass_through("late"))

    asyncio.run(main())
    gate.open.set()
    assert pool.submit(lambda: list(gate.order)).result(10) == ["late"]


class Crowd:
    """Counts how many things run at a time, which last until they are let go one by one."""

    def __init__(self) -> None:
        self._let_go = threading.Semaphore(0)
        self._changed = threading.Condition()
        self.running: Counter[str] = Counter()

    def work(self, name: str) -> str:
        with self._changed:
            self.running[name] += 1
            self._changed.notify_all()
        assert self._let_go.acquire(timeout=30)
        with self._changed:
            self.running[name] -= 1
            self._changed.notify_all()
        return name

    def let_go(self, count: int) -> None:
        self._let_go.release(count)

    def has(self, count: int) -> bool:
        with self._changed:
            return self._changed.wait_for(lambda: self.running.total() == count, 10)

    def becomes(self, **running: int) -> bool:
        with self._changed:
            return self._changed.wait_for(lambda: +self.running == Counter(running), 10)


def test_beside_others_a_client_has_fewer_threads_and_all_of_them_once_it_is_alone_again() -> None:
    now = [0.0]
    neighbours, crowd = Neighbours(lambda: now[0]), Crowd()
    pool = WorkPool(6, 100, 100, neighbours, beside=2)
    futures = [_as(pool, "a", crowd.work, "a")[1] for _ in range(4)]
    assert crowd.becomes(a=4), "alone it has as many as it wants"
    crowd.let_go(4)
    assert crowd.becomes()
    futures += [_as(pool, client, crowd.work, client)[1] for client in ("b", *"aaaaa", "b", "b")]
    assert crowd.becomes(a=2, b=2), "threads are left, but neither is alone"
    now[0] += 10
    neighbours.notice("a")
    crowd.let_go(1)
    assert crowd.has(6), "all threads are used again"
    crowd.let_go(20)
    assert [future.result(10) for future in futures] == list("aaaabaaaaabb")
    pool.shutdown()


def test_what_waits_beside_others_is_done_before_the_end() -> None:
    neighbours, gate = Neighbours(lambda: 0.0), Gate()
    pool = WorkPool(4, 100, 100, neighbours, beside=1)
    neighbours.notice("other")
    futures = [_as(pool, "a", gate.pass_through, str(number))[1] for number in range(10)]
    gate.open.set()
    pool.shutdown()
    assert [future.result(0) for future in futures] == [str(number) for number in range(10)]


def test_nothing_is_taken_after_the_end() -> None:
    pool = WorkPool(1, 3, 5)
    assert pool.submit(lambda: 1).result(10) == 1
    pool.shutdown()
    with pytest.raises(RuntimeError, match="ended"):
        pool.submit(lambda: 2)


def test_a_shutdown_waits_for_all(gate: Gate) -> None:
    pool = WorkPool(2, 100, 100)
    futures = [pool.submit(gate.pass_through, str(number)) for number in range(30)]
    gate.open.set()
    pool.shutdown()
    assert {future.result(0) for future in futures} == {str(number) for number in range(30)}

"""Which tables are in memory, and which mutations bring them in step."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from dvid_neuronjson.codec import encode_neuron
from dvid_neuronjson.keys import type_key
from dvid_neuronjson.tables import Step, Tables

MINE, OTHER = 1, 2


class FakeView:
    """A state with some neurons."""

    def __init__(self, epoch: int, *numbers: int, wait: threading.Event | None = None) -> None:
        self.epoch = epoch
        self._numbers, self._wait = numbers, wait

    def scan(self, start: bytes, stop: bytes) -> Any:
        for number in self._numbers:
            yield type_key(number), memoryview(encode_neuron({"bodyid": number, "a": 1}))
        if self._wait is not None:
            self._wait.wait(10)


def step(before: int, number: int, version: int = MINE, *written: int, final: bool = False) -> Step:
    return Step(before, number, version, final, {one: b'{"bodyid":%d,"a":%d}' % (one, number) for one in written})


def numbers_of(tables: Tables, epoch: int, version: int = MINE) -> list[int] | None:
    table = tables.find(7, version, epoch)
    return None if table is None else [number for chunk in table.chunks for number in chunk.numbers]


@pytest.fixture
def tables() -> Tables:
    tables = Tables()
    tables.read(7, MINE, FakeView(10, 1, 2))
    return tables


def test_writes_bring_a_table_in_step(tables: Tables) -> None:
    assert numbers_of(tables, 10) == [1, 2]
    tables.tell(7, step(10, 11, MINE, 3))
    assert numbers_of(tables, 11) == [1, 2, 3]
    assert numbers_of(tables, 10) is None
    tables.tell(7, step(11, 15, MINE))
    assert numbers_of(tables, 15) == [1, 2, 3]


def test_writes_may_tell_in_any_order(tables: Tables) -> None:
    tables.tell(7, step(12, 13, MINE, 5))
    tables.tell(7, step(11, 12, MINE, 4))
    assert numbers_of(tables, 13) is None
    tables.tell(7, step(10, 11, MINE, 3))
    assert numbers_of(tables, 13) == [1, 2, 3, 4, 5]


def test_what_nobody_told_leaves_a_table_behind(tables: Tables) -> None:
    tables.tell(7, step(11, 12, MINE, 3))
    assert numbers_of(tables, 12) is None
    tables.read(7, MINE, FakeView(12, 1, 2, 3, 9))
    assert numbers_of(tables, 12) == [1, 2, 3, 9]


def test_other_versions_pass_by(tables: Tables) -> None:
    tables.tell(7, step(10, 11, OTHER, 50))
    assert numbers_of(tables, 10) == [1, 2]
    tables.tell(7, step(10, 12, MINE, 3))
    tables.tell(7, step(11, 13, OTHER, 51))
    assert numbers_of(tables, 12) == [1, 2, 3]


def test_a_change_of_an_ancestor_drops_what_its_descendants_see(tables: Tables) -> None:
    tables.tell(7, step(10, 11, OTHER, 50, final=True))
    assert tables.held == 0
    tables.read(7, MINE, FakeView(11, 1))
    tables.tell(7, step(11, 12, MINE, 3, final=True))
    assert numbers_of(tables, 12) == [1, 3]


def test_other_instances_have_their_own(tables: Tables) -> None:
    tables.tell(8, step(10, 11, MINE, 3))
    assert numbers_of(tables, 10) == [1, 2]
    assert tables.find(8, MINE, 10) is None


def test_what_is_written_while_a_table_is_read_is_taken_in() -> None:
    tables, go_on = Tables(), threading.Event()
    reader = threading.Thread(target=tables.read, args=(7, MINE, FakeView(10, 1, wait=go_on)))
    reader.start()
    while not tables._entries:
        pass
    tables.tell(7, step(10, 11, MINE, 2))
    found: list[Any] = []
    waiter = threading.Thread(target=lambda: found.append(numbers_of(tables, 11)))
    waiter.start()
    go_on.set()
    reader.join()
    waiter.join()
    assert found == [[1, 2]]


def test_the_least_recently_read_makes_room(tables: Tables) -> None:
    size = tables.held
    tables.limit = 2 * size + size // 2
    for version in (OTHER, 3):
        numbers_of(tables, 10)
        tables.read(7, version, FakeView(10, 1, 2))
    assert [numbers_of(tables, 10, version) for version in (MINE, OTHER, 3)] == [[1, 2], None, [1, 2]]
    assert tables.held <= tables.limit


def test_what_is_too_large_is_remembered() -> None:
    tables = Tables(50)
    assert tables.read(7, MINE, FakeView(10, *range(1, 100))) is None
    assert tables.is_too_large(7, MINE)
    assert tables.held == 0

"""Writes that wait for the same turn are stored as one, and nobody can tell but by the time that it takes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from dvid_labelmap.gathering import Gathering
from dvid_labelmap.ops.grouped_writes import VoxelWrite, joined_write, next_group, store_together
from dvid_labelmap.ops.ingest import BlockWrite, blocks_of_stream
from dvid_labelmap.plugin import LabelMap
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dvid_framework.api import Conflict, StorageError, Unavailable
from dvid_framework.testing.core import Core, memory_opener
from dvid_framework.testing.faults import FailingStore

BLOCK = (16, 16, 16)
PLACES = [(x, y, z) for x in (0, 1, 2) for y in (-1, 0) for z in (0, 1)]
_shapes = st.lists(st.tuples(st.sampled_from(PLACES), st.integers(0, 5)), min_size=1, max_size=4)


class Bench:
    """Instances that hold the same, over one store that fails on demand."""

    def __init__(self, folder: Path, volumes: SimpleNamespace) -> None:
        opener = memory_opener()
        self.core = Core(folder, lambda: self._keep(FailingStore(opener())), {"labelmap": LabelMap})
        self.repo = self.core.repos.create()
        self.version = self.repo.dag.root
        seeds = [volumes.natural(BLOCK, seed, 12) for seed in range(5)] + [np.zeros(BLOCK, np.uint64)]
        self.payloads = [volumes.encoded(volume, (0, 0, 0), BLOCK)[0, 0, 0] for volume in seeds]
        self.stream_of = volumes.stream_of
        self.made = 0

    def _keep(self, store: FailingStore) -> FailingStore:
        self.store = store
        return store

    def instance(self) -> Any:
        self.made += 1
        size = ",".join(map(str, BLOCK))
        body = {"typename": "labelmap", "dataname": f"seg{self.made}", "BlockSize": size, "MaxDownresLevel": "2"}
        return self.core.instances.create(self.repo, self.version, body)

    def blocks(self, shape: Sequence[tuple[tuple[int, int, int], int]]) -> BlockWrite:
        stream = b"".join(self.stream_of({place: self.payloads[number]}) for place, number in shape)
        write = blocks_of_stream(stream, BLOCK, counting=True)
        assert write is not None
        return write

    def write(self, instance: Any, shape: Sequence[tuple[tuple[int, int, int], int]], **kind: bool) -> VoxelWrite:
        def begin(wait: float | None) -> Any:
            return instance.begin(self.version, durable=False, **({} if wait is None else {"wait": wait}))

        return VoxelWrite(begin, self.blocks(shape), **{"downres": True, **kind})

    def content(self, instance: Any) -> dict[bytes, bytes]:
        with instance.view(self.version) as view:
            return {key: bytes(value) for key, value in view.scan()}

    def places_of_records(self, instance: Any) -> list[list[list[int]]]:
        return [
            np.frombuffer(entry["Blocks"], "<i4").reshape(-1, 3).tolist()
            for mutation in instance.mutations(self.version)
            for entry in mutation.entries
        ]


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory, volumes: SimpleNamespace) -> Iterator[Bench]:
    made = Bench(tmp_path_factory.mktemp("core"), volumes)
    yield made
    made.core.close()


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(before=_shapes, shapes=st.lists(_shapes, min_size=2, max_size=5), downres=st.booleans(), indexing=st.booleans())
def test_a_group_leaves_what_single_writes_leave(
    bench: Bench, before: Any, shapes: list[Any], downres: bool, indexing: bool
) -> None:
    grouped, single = bench.instance(), bench.instance()
    for instance in (grouped, single):
        store_together(instance, bench.version, [bench.write(instance, before)])
    commits = bench.core.log.written
    writes = [bench.write(grouped, shape, downres=downres, indexing=indexing) for shape in shapes]
    store_together(grouped, bench.version, writes)
    assert [write.error for write in writes] == [None] * len(writes)
    assert bench.core.log.written == commits + len(writes)
    for shape in shapes:
        store_together(single, bench.version, [bench.write(single, shape, downres=downres, indexing=indexing)])
    assert bench.content(grouped) == bench.content(single)
    assert bench.places_of_records(grouped) == bench.places_of_records(single)
    ids = [mutation.mutation_id for mutation in grouped.mutations(bench.version)]
    assert ids == sorted(set(ids))
    assert grouped.extents(bench.version) == single.extents(bench.version)
    assert list(grouped.check(bench.version)) == [] or not (downres and indexing)


def test_joined_counts_are_those_of_the_blocks(bench: Bench) -> None:
    shapes = [[(PLACES[0], 0), (PLACES[1], 1)], [(PLACES[1], 2), (PLACES[3], 5)], [(PLACES[0], 3)]]
    joined = joined_write([bench.blocks(shape) for shape in shapes])
    plain = bench.blocks([pair for shape in shapes for pair in shape][1:])
    recounted = bench.blocks([(PLACES[1], 2), (PLACES[3], 5), (PLACES[0], 3)])
    assert plain.counts is None  # a place twice
    assert joined.coordinates.tolist() == recounted.coordinates.tolist()
    assert joined.counts is not None
    assert recounted.counts is not None
    for found, expected in zip(joined.counts, recounted.counts, strict=True):
        assert found.tolist() == expected.tolist()


def test_one_that_fails_does_not_fail_the_others(bench: Bench) -> None:
    instance = bench.instance()
    writes = [bench.write(instance, [(place, 1)]) for place in PLACES[:4]]

    def refuse(_: float | None) -> Any:
        raise Conflict("not this one")

    writes[2].begin = refuse
    bad = bench.blocks([((9, 9, 9), 1)])
    bad.payloads[0] = memoryview(b"damaged")  # type: ignore[index]
    writes.append(VoxelWrite(writes[0].begin, bad, downres=True))
    store_together(instance, bench.version, writes)
    assert [type(write.error) for write in writes[:4]] == [type(None), type(None), Conflict, type(None)]
    assert writes[4].error is not None
    single = bench.instance()
    for place in (PLACES[0], PLACES[1], PLACES[3]):
        store_together(single, bench.version, [bench.write(single, [(place, 1)])])
    assert bench.content(instance) == bench.content(single)


def test_a_commit_is_not_waited_for_in_a_group(bench: Bench) -> None:
    instance = bench.instance()
    first, second = (bench.write(instance, [(place, 1)]) for place in PLACES[:2])
    asked: list[float | None] = []

    def begin(wait: float | None, write: Callable[[float | None], Any] = second.begin) -> Any:
        asked.append(wait)
        if wait is not None:
            raise Unavailable("the version is being committed")
        return write(wait)

    second.begin = begin
    store_together(instance, bench.version, [first, second])
    assert (first.error, second.error, asked) == (None, None, [0.0, None])


@pytest.mark.parametrize("failing", range(8))
def test_what_is_told_is_what_is_there(bench: Bench, failing: int) -> None:
    instance, single = bench.instance(), bench.instance()
    writes = [bench.write(instance, [(place, number)]) for number, place in enumerate(PLACES[:3])]
    bench.store.count_reads = True
    bench.store.fail_next(failing, 2)
    store_together(instance, bench.version, writes)
    bench.store.count_reads = False
    bench.store.fail_next(0, 0)
    for number, (place, write) in enumerate(zip(PLACES, writes, strict=False)):
        if write.error is None:
            store_together(single, bench.version, [bench.write(single, [(place, number)])])
        else:
            assert isinstance(write.error, StorageError)
    assert bench.content(instance) == bench.content(single)
    assert len(bench.places_of_records(instance)) == sum(write.error is None for write in writes)


def test_groups_are_of_one_kind_and_bounded(bench: Bench) -> None:
    instance = bench.instance()
    plain = partial(bench.write, instance, [(PLACES[0], 0)])
    assert next_group([plain()]) == 1
    assert next_group([plain(), plain(), plain(downres=False), plain()]) == 2
    assert next_group([plain(indexing=False), plain()]) == 1
    assert next_group([plain()] * 90) == 64
    large = VoxelWrite(plain().begin, BlockWrite(np.zeros((1, 3)), [bytes(20 << 20)], plain().write.extents, 0), True)
    assert next_group([large, plain(), large, plain()]) == 2
    assert next_group([large, large]) == 1


# -- waiting for the turn


def waiting(bench: Bench, count: int, **kind: bool) -> list[VoxelWrite]:
    blocks = bench.blocks([(PLACES[0], 0)])
    return [VoxelWrite(lambda _: None, blocks, **{"downres": True, **kind}) for _ in range(count)]


def test_those_who_wait_are_taken_along(bench: Bench) -> None:
    groups: list[int] = []

    async def run(group: Sequence[VoxelWrite]) -> None:
        groups.append(len(group))
        await asyncio.sleep(0.01)
        group[-1].error = Conflict("the last one") if len(group) > 1 else None

    async def main() -> list[Any]:
        gathering = Gathering(asyncio.Lock())
        stores = [gathering.store(write, run) for write in waiting(bench, 5)]
        return await asyncio.gather(*stores, return_exceptions=True)

    outcomes = asyncio.run(main())
    assert groups == [1, 4]
    assert outcomes[:4] == [None] * 4
    assert isinstance(outcomes[4], Conflict)


def test_a_request_that_is_given_up_holds_up_nobody(bench: Bench) -> None:
    stored: list[VoxelWrite] = []

    async def run(group: Sequence[VoxelWrite]) -> None:
        await asyncio.sleep(0.01)
        stored.extend(group)

    async def main() -> tuple[list[Any], list[VoxelWrite]]:
        gathering, writes = Gathering(asyncio.Lock()), waiting(bench, 3)
        tasks = [asyncio.create_task(gathering.store(write, run)) for write in writes]
        await asyncio.sleep(0)
        tasks[0].cancel()  # it leads the others
        late = waiting(bench, 2)
        tasks += [asyncio.create_task(gathering.store(write, run)) for write in late]
        await asyncio.sleep(0)
        tasks[4].cancel()  # before its turn
        return await asyncio.gather(*tasks, return_exceptions=True), writes + late[:1]

    outcomes, expected = asyncio.run(main())
    assert [type(outcome) for outcome in outcomes[1:4]] == [type(None)] * 3
    assert isinstance(outcomes[0], asyncio.CancelledError)
    assert isinstance(outcomes[4], asyncio.CancelledError)
    assert [write for write in expected if write not in stored] == []


def test_a_run_that_breaks_is_told_to_all(bench: Bench) -> None:
    async def run(_: Sequence[VoxelWrite]) -> None:
        raise Unavailable("no thread")

    async def main() -> list[Any]:
        gathering = Gathering(asyncio.Lock())
        return await asyncio.gather(*(gathering.store(w, run) for w in waiting(bench, 3)), return_exceptions=True)

    assert [type(outcome) for outcome in asyncio.run(main())] == [Unavailable] * 3

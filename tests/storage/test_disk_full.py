"""A disk that fills at any byte: nothing acknowledged is lost, reads go on, and writes go on once there is room again.

The room is taken away by a limit on the size of files, which strikes at an exact byte.
"""

from __future__ import annotations

import os
import random
import resource
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import structlog

from dvid_framework.errors import StorageError, StoreFull, StoreReopening
from dvid_framework.storage.base import StoreEngine
from dvid_framework.storage.embedded_database import newest_log
from dvid_framework.storage.engines import embedded_engines
from dvid_framework.storage.log import CommitLog
from dvid_framework.testing.store_contract import batch_of, run_threads

_POINTS = int(os.environ.get("DVID_FULL_POINTS", "20"))
_QUICK = 3  # points that are tried with each run of the quick tests
_BUFFER = 1 << 20


@pytest.fixture
def limit() -> Iterator[Callable[[int | None], None]]:
    """Give a function that limits the size of files; None lifts the limit."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)

    def set_limit(size: int | None) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (before[0] if size is None else size, before[1]))

    with structlog.testing.capture_logs():  # the limit holds for what pytest captures too
        yield set_limit
    set_limit(None)


@pytest.fixture(params=embedded_engines(), ids=lambda kind: kind.name)
def engine(request: pytest.FixtureRequest) -> StoreEngine:
    return request.param()


class Journal:
    """A store, and what it has acknowledged.

    Args:
        engine: opens the store.
        path: folder of the store.
        chance: makes the values.
    """

    def __init__(self, engine: StoreEngine, path: Path, chance: random.Random) -> None:
        self._engine = engine
        self._path = path
        self._chance = chance
        self.acknowledged: dict[bytes, bytes] = {}
        self.open()

    def open(self) -> None:
        store = self._engine.open(self._path, {"write_buffer_bytes": _BUFFER})
        self.log = CommitLog(store, self._path.with_suffix(".mark"))

    def close(self) -> None:
        self.log.close()
        self.log.store.close()

    def commit(self) -> None:
        key = b"\x01%d" % self._chance.randrange(200)
        value = self._chance.randbytes(self._chance.choice([10, 1000, 40_000, 200_000]))
        self.log.make_durable(self.log.commit(batch_of([(key, value)]), b"record"))
        self.acknowledged[key] = value

    def commit_until_full(self) -> StorageError:
        for _ in range(1000):
            try:
                self.commit()
            except StorageError as error:
                return error
        raise AssertionError("the disk never filled")

    def commit_once_there_is_room(self) -> None:
        deadline = time.monotonic() + 20
        while True:
            try:
                return self.commit()
            except (StoreFull, StoreReopening):
                assert time.monotonic() < deadline, "writes don't go on"

    def check(self) -> None:
        reader = self.log.store.snapshot()
        try:
            assert dict(reader.scan(b"\x01", b"\x02")) == self.acknowledged
        finally:
            reader.close()


@pytest.mark.parametrize(
    "point", [pytest.param(point, marks=[pytest.mark.slow] if point >= _QUICK else []) for point in range(_POINTS)]
)
def test_writes_go_on_after_a_full_disk(
    engine: StoreEngine, tmp_path: Path, limit: Callable[[int | None], None], point: int
) -> None:
    journal = Journal(engine, tmp_path / "s", random.Random(point))
    for _ in range(point):
        journal.commit()
    for _ in range(2):
        log = newest_log(tmp_path / "s")
        assert log is not None
        limit(log.stat().st_size + random.Random(point).choice([0, 1, 7, 100, 5000, 33_000, 150_000]))
        error = journal.commit_until_full()
        assert isinstance(error, StoreFull)
        for _ in range(3):
            journal.check()
            assert isinstance(journal.commit_until_full(), StoreFull | StoreReopening)
        limit(None)
        journal.commit_once_there_is_room()
        journal.check()
    for _ in range(3):
        journal.commit()
    journal.check()
    written = journal.log.written
    journal.close()
    journal.open()
    journal.check()
    assert journal.log.written == written
    assert len(journal.log.read(0, limit=10_000)) == written
    journal.close()


def test_reads_that_last_are_not_cut_and_do_not_hold_writes_up_for_ever(
    engine: StoreEngine, tmp_path: Path, limit: Callable[[int | None], None]
) -> None:
    journal = Journal(engine, tmp_path / "s", random.Random(1))
    for _ in range(50):
        journal.commit()
    expected, reader = dict(journal.acknowledged), journal.log.store.snapshot()
    log = newest_log(tmp_path / "s")
    assert log is not None
    limit(log.stat().st_size + 5)
    journal.commit_until_full()
    limit(None)
    with pytest.raises(StoreReopening):
        journal.commit()
    assert dict(reader.scan(b"\x01", b"\x02")) == expected
    reader.close()
    journal.commit_once_there_is_room()
    journal.check()
    journal.close()


def _write_until(ends: float, journal: Journal, number: int) -> dict[bytes, bytes]:
    """Write to keys of one's own; returns what was acknowledged last."""
    chance, mine = random.Random(number), dict[bytes, bytes]()
    while time.monotonic() < ends:
        key, value = b"\x01%d-%d" % (number, chance.randrange(50)), chance.randbytes(20_000)
        try:
            journal.log.make_durable(journal.log.commit(batch_of([(key, value)]), b"record"))
        except (StoreFull, StoreReopening):
            mine.pop(key, None)  # it may be there, if the sync failed
            continue
        mine[key] = value
    return mine


def _read_until(ends: float, journal: Journal) -> None:
    while time.monotonic() < ends:
        try:
            snapshot = journal.log.store.snapshot()
        except StoreReopening:
            continue
        list(snapshot.scan(b"\x01", b"\x02"))
        snapshot.close()


@pytest.mark.slow
def test_many_writers_and_readers_meet_a_full_disk(
    engine: StoreEngine, tmp_path: Path, limit: Callable[[int | None], None]
) -> None:
    journal, acknowledged = Journal(engine, tmp_path / "s", random.Random(2)), dict[bytes, bytes]()
    ends = time.monotonic() + 5

    def fill() -> None:
        while time.monotonic() < ends - 1:
            time.sleep(0.4)
            newest = newest_log(tmp_path / "s")
            assert newest is not None
            limit(newest.stat().st_size + 30_000)
            time.sleep(0.3)
            limit(None)

    writers = [lambda number=number: acknowledged.update(_write_until(ends, journal, number)) for number in range(4)]
    run_threads(fill, *writers, *[lambda: _read_until(ends, journal)] * 2)
    journal.commit_once_there_is_room()
    acknowledged |= journal.acknowledged
    for _ in range(2):
        assert acknowledged.items() <= dict(journal.log.store.scan(b"\x01", b"\x02")).items()
        assert len(journal.log.read(0, limit=1_000_000)) == journal.log.synced > len(acknowledged)
        journal.close()
        journal.open()
    journal.close()

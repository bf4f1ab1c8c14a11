"""One snapshot serves all readers between two writes, and holds nothing up."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from dvid_framework.errors import StorageError
from dvid_framework.storage.base import Store
from dvid_framework.storage.leveldb import LevelDBEngine
from dvid_framework.storage.leveldb_reading import LevelDBSnapshot
from dvid_framework.testing.store_contract import batch_of


@pytest.fixture
def leveldb(tmp_path: Path) -> Iterator[Store]:
    store = LevelDBEngine().open(tmp_path / "s", {})
    store.write(batch_of([(b"a", b"1")]))
    yield store
    store.close()


def source_of(reader: object) -> object:
    assert isinstance(reader, LevelDBSnapshot)
    return reader._source


def test_readers_between_two_writes_share_one(leveldb: Store) -> None:
    first, second = leveldb.snapshot(), leveldb.snapshot()
    assert source_of(first) is source_of(second)
    shared = source_of(first)
    first.close()
    second.close()
    third = leveldb.snapshot()
    assert source_of(third) is shared  # it stays when nobody reads
    leveldb.write(batch_of([(b"a", b"2")]))
    fourth = leveldb.snapshot()
    assert (third.get(b"a"), fourth.get(b"a"), leveldb.get(b"a")) == (b"1", b"2", b"2")
    third.close()
    assert fourth.get(b"a") == b"2"
    fourth.close()


def test_a_reader_that_is_closed_reads_no_more(leveldb: Store) -> None:
    first, second = leveldb.snapshot(), leveldb.snapshot()
    first.close()
    first.close()
    with pytest.raises(StorageError, match="closed"):
        first.get(b"a")
    with pytest.raises(StorageError, match="closed"):
        first.last(b"a", b"b")
    assert second.get(b"a") == b"1"
    second.close()


def test_a_kept_snapshot_does_not_keep_the_store_from_healing(leveldb: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    leveldb.snapshot().close()

    def fail(_: int) -> None:
        raise OSError(28, "the disk is full")

    monkeypatch.setattr("os.fdatasync", fail)
    with pytest.raises(StorageError):
        leveldb.sync()
    monkeypatch.undo()
    before = leveldb.snapshot()
    assert before.get(b"a") == b"1"
    before.close()
    leveldb.heal()
    leveldb.write(batch_of([(b"a", b"2")]))
    after = leveldb.snapshot()
    assert after.get(b"a") == b"2"
    after.close()


def test_the_store_closes_though_a_snapshot_is_kept(tmp_path: Path) -> None:
    for number in range(3):
        store = LevelDBEngine().open(tmp_path / "s", {})
        store.write(batch_of([(b"a", b"%d" % number)]))
        reader = store.snapshot()
        assert reader.get(b"a") == b"%d" % number
        reader.close()
        store.close()
        with pytest.raises(StorageError):
            store.snapshot()


def test_readers_of_many_threads_see_what_was_written_before_they_began(leveldb: Store) -> None:
    written, wrong, ending = [0], [], threading.Event()

    def read() -> None:
        while not ending.is_set():
            least = written[0]
            reader = leveldb.snapshot()
            pair = reader.get(b"x"), reader.get(b"y")
            if pair[0] != pair[1] or int(pair[0] or b"0") < least:
                wrong.append((pair, least))
            del reader  # not closed: the collector gives it back

    threads = [threading.Thread(target=read) for _ in range(3)]
    for thread in threads:
        thread.start()
    for number in range(1, 400):
        leveldb.write(batch_of([(b"x", b"%d" % number), (b"y", b"%d" % number)]))
        written[0] = number
    ending.set()
    for thread in threads:
        thread.join()
    gc.collect()
    assert not wrong
    last = leveldb.last(b"x", b"z")
    assert last == (b"y", b"399")


@pytest.mark.parametrize("count", [1, 3, 7, 8, 9, 30])
def test_the_last_of_a_range_is_found_however_many_there_are(leveldb: Store, count: int) -> None:
    keys = [b"m%02d" % number for number in range(count)]
    leveldb.write(batch_of([(b"l", bytes(1000)), *((key, key) for key in keys)]))
    reader = leveldb.snapshot()
    assert reader.last(b"m", b"n") == (keys[-1], keys[-1])
    assert reader.last(b"m", keys[-1]) == ((keys[-2], keys[-2]) if count > 1 else None)
    assert reader.last(b"n", b"z") is None
    reader.close()

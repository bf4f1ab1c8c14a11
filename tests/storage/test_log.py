"""The commit log: numbers, group commit, the mark, and what a power loss leaves."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from dvid_framework.errors import CorruptValue, StorageError, StoreFull
from dvid_framework.storage import keys
from dvid_framework.storage.batch import Batch
from dvid_framework.storage.log import CommitLog
from dvid_framework.storage.memory import MemoryStore
from dvid_framework.testing.faults import FailingStore, PowerLossStore
from dvid_framework.testing.store_contract import batch_of, run_threads


class SlowSync(MemoryStore):
    """A sync that lasts until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.begun = threading.Semaphore(0)
        self.go_on = threading.Semaphore(0)
        self.syncs = 0

    def sync(self) -> None:
        self.syncs += 1
        self.begun.release()
        self.go_on.acquire()


def test_numbers_begin_at_one_and_have_no_gaps() -> None:
    log = CommitLog(MemoryStore())
    assert [log.commit(Batch(), b"r") for _ in range(5)] == [1, 2, 3, 4, 5]
    log.close()


def test_a_batch_and_its_record_are_written_as_one() -> None:
    store = FailingStore(MemoryStore())
    log = CommitLog(store)
    store.fail_next()
    with pytest.raises(StorageError):
        log.commit(batch_of([(b"\x01a", b"1")]), b"r", [(1, 2)])
    assert list(store.scan(b"", b"\xff")) == []
    assert log.commit(batch_of([(b"\x01a", b"1")]), b"r", [(1, 2)]) == 1, "the number of the failed one is used again"
    assert store.get(b"\x01a") == b"1"
    log.close()


def test_records_come_back_in_order_and_by_name() -> None:
    log = CommitLog(MemoryStore())
    for number in range(6):
        log.commit(Batch(), b"record %d" % number, [(number % 2, 7)])
    log.make_durable(6)
    assert log.read(0) == [(number + 1, b"record %d" % number) for number in range(6)]
    assert log.read(4) == [(5, b"record 4"), (6, b"record 5")]
    assert log.read(1, limit=2) == [(2, b"record 1"), (3, b"record 2")]
    assert log.read(6) == log.read(99) == []
    assert [number for number, _ in log.named(1, 7)] == [2, 4, 6]
    assert log.named(1, 8) == []
    log.close()


def test_records_are_read_only_once_they_are_synced() -> None:
    store = SlowSync()
    log = CommitLog(store)
    log.commit(Batch(), b"r")
    assert log.written == 1
    assert log.synced == 0
    assert log.read(0) == []
    syncing = threading.Thread(target=log.make_durable, args=(1,))
    syncing.start()
    store.begun.acquire()
    assert log.read(0) == []
    store.go_on.release()
    syncing.join()
    assert log.read(0) == [(1, b"r")]
    store.go_on.release(100)
    log.close()


def test_one_sync_serves_all_who_wait() -> None:
    store = SlowSync()
    log = CommitLog(store)
    log.commit(Batch(), b"first")
    first = threading.Thread(target=log.make_durable, args=(1,))
    first.start()
    store.begun.acquire()
    waiting = [threading.Thread(target=log.make_durable, args=(log.commit(Batch(), b"r"),)) for _ in range(10)]
    for thread in waiting:
        thread.start()
    store.go_on.release(100)
    for thread in (first, *waiting):
        thread.join()
    assert log.synced == 11
    assert store.syncs <= 3, "the first, one for the ten that came meanwhile, and perhaps the one in the background"
    log.close()


def test_many_are_told_by_one_sync_and_the_first_waits_for_nobody() -> None:
    store = PowerLossStore()
    log = CommitLog(store)
    numbers = [log.commit(Batch(), b"r") for _ in range(3)]
    told: list[tuple[int, Exception | None]] = []
    first, last = threading.Event(), threading.Event()

    def tell(number: int) -> Callable[[Exception | None], None]:
        def hear(failure: Exception | None) -> None:
            assert log.synced >= number
            told.append((number, failure))
            if number == numbers[0]:
                first.set()
                for other in numbers[1:]:  # they come while the first one is served
                    log.when_durable(other, tell(other))
            if len(told) == len(numbers):
                last.set()

        return hear

    log.when_durable(numbers[0], tell(numbers[0]))
    assert first.is_set()
    assert last.wait(20)
    assert told == [(number, None) for number in numbers]
    log.close()


def test_what_need_not_be_durable_at_once_is_soon() -> None:
    log = CommitLog(MemoryStore())
    log.commit(Batch(), b"r")
    while log.wait(0, 10.0) == 0:
        pass
    assert log.synced == 1
    log.close()


def test_a_record_that_is_missing_is_told() -> None:
    store = MemoryStore()
    log = CommitLog(store)
    for _ in range(3):
        log.commit(Batch(), b"r", [(1, 1)])
    log.make_durable(3)
    store.write(batch_of([(keys.log_key(2), None)]))
    with pytest.raises(CorruptValue):
        log.read(0)
    with pytest.raises(CorruptValue, match="2"):
        log.named(1, 1)
    log.close()


def test_a_failing_sync_is_told_to_who_waits_and_tried_again() -> None:
    store = FailingStore(MemoryStore(), StoreFull)
    log = CommitLog(store)
    number = log.commit(Batch(), b"r")
    store.fail_next(count=1)
    with pytest.raises(StoreFull):
        log.make_durable(number)
    assert log.synced == 0
    told: list[Exception | None] = []
    store.fail_next(count=1)
    log.when_durable(number, told.append)
    log.when_durable(number, told.append)
    assert [type(failure) for failure in told] == [StoreFull, type(None)]
    assert log.synced == 1
    log.close()


def test_a_closed_log_refuses() -> None:
    log = CommitLog(MemoryStore())
    log.close()
    log.close()
    with pytest.raises(StorageError):
        log.commit(Batch(), b"r")


# -- the mark


def _entries_of(store: MemoryStore) -> MemoryStore:
    copy = MemoryStore()
    copy.write(batch_of(list(store.scan(b"", b"\xff"))))
    return copy


def test_a_store_that_lost_its_end_is_refused(tmp_path: Path) -> None:
    mark, store = tmp_path / "s.mark", MemoryStore()
    log = CommitLog(store, mark)
    for _ in range(5):
        log.commit(Batch(), b"r")
    log.close()
    CommitLog(_entries_of(store), mark).close()
    store.write(batch_of([(keys.log_key(5), None)]))
    with pytest.raises(CorruptValue, match="mutation 5 was durable"):
        CommitLog(_entries_of(store), mark)
    mark.unlink()
    log = CommitLog(_entries_of(store), mark)
    assert log.written == 4
    log.close()


def test_the_mark_never_runs_ahead(tmp_path: Path) -> None:
    mark, store = tmp_path / "s.mark", SlowSync()
    log = CommitLog(store, mark)
    log.commit(Batch(), b"r")
    syncing = threading.Thread(target=log.make_durable, args=(1,))
    syncing.start()
    store.begun.acquire()
    assert not mark.exists()
    store.go_on.release(100)
    syncing.join()
    log.close()
    assert int(mark.read_text()) == 1


@pytest.mark.parametrize("text", ["", "garbage", "00000000000000000002\n"])
def test_a_damaged_or_old_mark_does_not_keep_a_whole_store_closed(tmp_path: Path, text: str) -> None:
    mark, store = tmp_path / "s.mark", MemoryStore()
    log = CommitLog(store)
    for _ in range(3):
        log.commit(Batch(), b"r")
    log.close()
    mark.write_text(text)
    log = CommitLog(_entries_of(store), mark)
    assert log.written == 3
    log.close()


def test_a_mark_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    log = CommitLog(MemoryStore(), tmp_path / "no such folder" / "s.mark")
    for number in range(1, 4):
        log.commit(Batch(), b"r")
        while log.wait(number - 1, 10.0) < number:
            pass
    log.close()


# -- followers among writers


class LongSync(MemoryStore):
    """A sync during which others write."""

    def sync(self) -> None:
        threading.Event().wait(0.002)


@pytest.mark.parametrize("make", [MemoryStore, LongSync])
def test_six_writers_and_a_reader_miss_nothing_and_keep_order(make: Callable[[], MemoryStore]) -> None:
    log = CommitLog(make())
    per_writer, seen = 300, list[tuple[int, bytes]]()

    def writer(name: int) -> Callable[[], None]:
        def write() -> None:
            for number in range(per_writer):
                own = log.commit(batch_of([(b"\x01%d" % name, b"%d" % number)]), b"%d:%d" % (name, number))
                if number % 3 == 0:
                    log.make_durable(own)

        return write

    def read() -> None:
        while len(seen) < 6 * per_writer:
            log.wait(len(seen), 1.0)
            seen.extend(log.read(len(seen), limit=50))

    run_threads(read, *(writer(name) for name in range(6)))
    assert [number for number, _ in seen] == list(range(1, 6 * per_writer + 1))
    for name in range(6):
        own = [record for _, record in seen if record.startswith(b"%d:" % name)]
        assert own == [b"%d:%d" % (name, number) for number in range(per_writer)]
    log.close()


def test_durable_numbers_survive_the_loss_of_unsynced_writes() -> None:
    store = PowerLossStore()
    log = CommitLog(store)
    durable = 0
    for number in range(1, 40):
        log.commit(batch_of([(b"\x01%d" % number, b"")]), b"r")
        if number % 7 == 0:
            log.make_durable(number)
            durable = number
        for kept in range(len(store.unsynced) + 1):
            survivor = CommitLog(store.after_power_loss(kept))
            assert survivor.written >= durable
            found = {int(key[1:]) for key in survivor.store.scan_keys(b"\x01", b"\x02")}
            assert found == set(range(1, survivor.written + 1)), "the rest must be a prefix of what happened"
            survivor.close()
    log.close()

"""Followers: every mutation, in order, at least once, whatever fails."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import msgspec
import pytest

from dvid_framework.errors import StorageError
from dvid_framework.events import feed
from dvid_framework.events.feed import BatchFollower, Follower
from dvid_framework.storage.batch import Batch
from dvid_framework.storage.log import CommitLog
from dvid_framework.storage.memory import MemoryStore
from dvid_framework.testing.faults import FailingStore, PowerLossStore
from dvid_framework.testing.store_contract import run_threads
from dvid_framework.versions.record import Mutation


@pytest.fixture(autouse=True)
def _retry_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed, "_RETRY_SECONDS", 0.01)


def _mutate(log: CommitLog, count: int = 1, user: str = "") -> int:
    number = 0
    for _ in range(count):
        number = log.commit(Batch(), msgspec.msgpack.encode(Mutation(instance=1, user=user)))
    log.make_durable(number)
    return number


def _ignore(_: Mutation) -> None:
    """Receive nothing."""


def test_it_sees_every_mutation_in_order_with_its_number() -> None:
    log, seen = CommitLog(MemoryStore()), list[int]()
    follower = Follower(log, "f", lambda mutation: seen.append(mutation.number))
    _mutate(log, 700)
    assert follower.wait_for(700, 10)
    assert seen == list(range(1, 701))
    follower.stop()
    log.close()


def test_it_begins_where_it_is_told() -> None:
    log, seen = CommitLog(MemoryStore()), list[int]()
    _mutate(log, 5)
    follower = Follower(log, "f", lambda mutation: seen.append(mutation.number), start=3)
    assert follower.wait_for(5, 10)
    follower.stop()
    assert seen == [4, 5]
    log.close()


def test_it_goes_on_at_its_cursor_after_a_restart() -> None:
    log, seen = CommitLog(MemoryStore()), list[int]()
    follower = Follower(log, "f", lambda mutation: seen.append(mutation.number))
    _mutate(log, 5)
    assert follower.wait_for(5, 10)
    follower.stop()
    _mutate(log, 3)
    follower = Follower(log, "f", lambda mutation: seen.append(mutation.number), start=99)
    assert follower.wait_for(8, 10)
    follower.stop()
    assert seen == list(range(1, 9))
    log.close()


def test_two_followers_have_cursors_of_their_own() -> None:
    log, one, other = CommitLog(MemoryStore()), list[int](), list[int]()
    first = Follower(log, "one", lambda mutation: one.append(mutation.number))
    _mutate(log, 4)
    assert first.wait_for(4, 10)
    second = Follower(log, "other", lambda mutation: other.append(mutation.number))
    assert second.wait_for(4, 10)
    first.stop()
    second.stop()
    assert one == other == [1, 2, 3, 4]
    log.close()


def test_what_came_after_its_first_start_is_not_skipped_when_it_dies_before_it_saved() -> None:
    store = PowerLossStore()
    log = CommitLog(store)
    _mutate(log, 5)
    hold = threading.Event()
    follower = Follower(log, "f", lambda _: hold.wait() and None, start=log.synced)
    _mutate(log, 3)
    survivor, seen = CommitLog(store.after_power_loss()), list[int]()
    again = Follower(survivor, "f", lambda mutation: seen.append(mutation.number), start=survivor.synced)
    assert again.wait_for(8, 10)
    assert seen == [6, 7, 8]
    hold.set()
    follower.stop()
    again.stop()
    log.close()
    survivor.close()


def test_a_receiver_that_fails_gets_the_same_mutation_again_and_none_is_skipped() -> None:
    log, seen, failed = CommitLog(MemoryStore()), list[int](), list[int]()

    def receive(mutation: Mutation) -> None:
        if mutation.number % 3 == 0 and failed.count(mutation.number) < 2:
            failed.append(mutation.number)
            raise ValueError("not now")
        seen.append(mutation.number)

    follower = Follower(log, "f", receive)
    _mutate(log, 10)
    assert follower.wait_for(10, 10)
    follower.stop()
    assert seen == list(range(1, 11))
    assert failed == [3, 3, 6, 6, 9, 9]
    assert follower.error == ""
    log.close()


def test_the_error_of_a_failing_receiver_can_be_seen_and_others_are_not_held_up() -> None:
    log, failing = CommitLog(MemoryStore()), threading.Event()

    def receive(_: Mutation) -> None:
        failing.set()
        raise ValueError("never")

    stuck, fine = Follower(log, "stuck", receive), Follower(log, "fine", _ignore)
    _mutate(log, 2)
    assert fine.wait_for(2, 10)
    assert failing.wait(10)
    assert not stuck.wait_for(1, 0)
    stuck.stop()
    assert stuck.error == "ValueError: never"
    assert stuck.cursor == 0
    fine.stop()
    log.close()


@pytest.mark.parametrize("count_reads", [False, True])
def test_a_store_that_fails_for_a_while_does_not_end_it(count_reads: bool) -> None:
    store = FailingStore(MemoryStore())
    log, seen = CommitLog(store), list[int]()
    follower = Follower(log, "f", lambda mutation: seen.append(mutation.number))
    store.count_reads = count_reads
    for _ in range(20):
        store.fail_next(after=1, count=2)
        try:
            _mutate(log)
        except StorageError:
            continue
    store.fail_at = 0
    last = _mutate(log)
    assert follower.wait_for(last, 10)
    follower.stop()
    assert sorted(set(seen)) == list(range(1, last + 1))
    assert seen == sorted(seen), "again at most, and never out of order"
    log.close()


def test_a_cursor_beyond_the_end_is_brought_back() -> None:
    old = CommitLog(MemoryStore())
    follower = Follower(old, "f", _ignore)
    _mutate(old, 10)
    assert follower.wait_for(10, 10)
    follower.stop()
    cursor = old.store.get(b"\x05f")
    assert cursor is not None
    log, seen, batch = CommitLog(MemoryStore()), list[int](), Batch()
    batch.put(b"\x05f", cursor)
    log.store.write(batch)
    _mutate(log, 2)
    again = Follower(log, "f", lambda mutation: seen.append(mutation.number))
    _mutate(log, 1)
    assert again.wait_for(3, 10)
    again.stop()
    assert seen == [3]
    old.close()
    log.close()


class LongSync(MemoryStore):
    """A sync during which others write."""

    def sync(self) -> None:
        threading.Event().wait(0.002)


@pytest.mark.parametrize("make", [MemoryStore, LongSync])
def test_six_writers_and_a_follower(make: Callable[[], MemoryStore]) -> None:
    log, seen = CommitLog(make()), list[tuple[int, str]]()
    follower = Follower(log, "f", lambda mutation: seen.append((mutation.number, mutation.user)))
    run_threads(*(lambda name=name: _mutate_each(log, name) for name in "abcdef"))
    assert follower.wait_for(6 * 150, 20)
    follower.stop()
    assert [number for number, _ in seen] == list(range(1, 6 * 150 + 1))
    assert all(sum(user == name for _, user in seen) == 150 for name in "abcdef")
    log.close()


def _mutate_each(log: CommitLog, user: str) -> None:
    for _ in range(150):
        _mutate(log, user=user)


def test_a_batch_follower_moves_when_the_whole_batch_is_received() -> None:
    log, seen, failures = CommitLog(MemoryStore()), list[int](), [OSError("away")]
    _mutate(log, 2500)

    def receive(mutations: Iterator[Mutation]) -> None:
        taken = [mutation.number for mutation in mutations]
        if failures:
            raise failures.pop()
        seen.extend(taken)

    follower = BatchFollower(log, "f", receive)
    assert follower.wait_for(2500, 10)
    assert seen == list(range(1, 2501)), "what failed came again, in order"
    _mutate(log)
    assert follower.wait_for(2501, 10)
    follower.stop()
    again = BatchFollower(log, "f", receive)
    _mutate(log)
    assert again.wait_for(2502, 10)
    again.stop()
    assert seen == list(range(1, 2503)), "the cursor is kept"
    log.close()

"""Decoded values in memory: bounded, and never of another state than the one that is read."""

from __future__ import annotations

import threading

from dvid_framework.instances.cache import ValueCache
from dvid_framework.storage.batch import Batch
from dvid_framework.storage.log import CommitLog
from dvid_framework.storage.memory import MemoryStore


def epoch_of(log: CommitLog, instance: int) -> int | None:
    reader, _, epoch = log.snapshot(instance)
    reader.close()
    return epoch


def test_an_entry_is_found_in_its_epoch_alone() -> None:
    cache = ValueCache()
    cache.put(["a", "b"], [b"1", None], 7)
    assert cache.find(["a", "b", "c"], 7) == [(b"1",), (None,), None]
    assert cache.find(["a", "b"], 8) == [None, None]
    cache.put(["a"], [b"2"], 8)
    assert cache.find(["a"], 7) == [None]
    assert cache.find(["a"], 8) == [(b"2",)]


def test_the_least_recently_used_make_room() -> None:
    cache = ValueCache(3 * 1300)
    for name in "abc":
        cache.put([name], [bytes(1000)], 1)
    assert cache.find("a", 1) != [None]
    cache.put(["d"], [bytes(1000)], 1)
    assert [found is None for found in cache.find("abcd", 1)] == [False, True, False, False]
    cache.put(["e"], [bytes(10_000)], 1)
    assert cache.held <= cache.limit
    assert cache.find("e", 1) == [None]


def test_what_is_put_again_is_counted_once() -> None:
    cache = ValueCache(1 << 20)
    for epoch in range(100):
        cache.put(["a"], [bytes(1000)], epoch)
    assert cache.held < 2000


def test_an_epoch_is_of_one_instance_and_unknown_while_it_is_written() -> None:
    entered, go = threading.Event(), threading.Event()

    class Slow(MemoryStore):
        def write(self, batch: Batch) -> None:
            entered.set()
            assert go.wait(10)
            super().write(batch)

    log = CommitLog(Slow())
    go.set()
    log.commit(Batch(), b"first", ((1, 1),))
    one, two = epoch_of(log, 1), epoch_of(log, 2)
    entered.clear()
    go.clear()
    writing = threading.Thread(target=lambda: log.commit(Batch(), b"second", ((1, 1),)))
    writing.start()
    assert entered.wait(10)
    assert epoch_of(log, 1) is None
    assert epoch_of(log, 2) == two == 0
    go.set()
    writing.join()
    assert epoch_of(log, 1) == 2 != one
    log.close()

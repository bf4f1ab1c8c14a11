"""Decoded values in memory: bounded, and never of another state than the one that is read."""

from __future__ import annotations

import threading

from dvid_framework.instances.cache import ValueCache
from dvid_framework.storage.batch import Batch
from dvid_framework.storage.log import CommitLog, Entry
from dvid_framework.storage.memory import MemoryStore
from dvid_framework.testing.running import ServerThread


def epoch_of(log: CommitLog, instance: int, versions: frozenset[int] = frozenset({1})) -> int | None:
    reader, _, epoch = log.snapshot(instance, versions)
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


def test_a_write_to_a_version_changes_the_epochs_of_it_and_its_descendants_alone() -> None:
    root, child, sibling = frozenset({1}), frozenset({1, 2}), frozenset({1, 3})
    log = CommitLog(MemoryStore())

    def epochs() -> list[int | None]:
        return [epoch_of(log, 9, lineage) for lineage in (root, child, sibling)]

    assert epochs() == [0, 0, 0]
    log.commit(Batch(), b"", ((9, 2),))
    assert epochs() == [0, 1, 0]
    log.commit(Batch(), b"", ((9, 1),))  # as an administrator may
    assert epochs() == [2, 2, 2]
    log.commit(Batch(), b"", ((8, 1),))
    log.commit(Batch(), b"", ((9, 3),))
    assert epochs() == [2, 2, 4]
    log.commit_all(Batch(), [Entry(b"", ((9, 3),), shared=((9, 1),))])  # with something that all versions share
    assert epochs() == [5, 5, 5]
    log.close()


def test_what_is_shared_by_all_versions_changes_the_epochs_of_all(tiny_server: ServerThread) -> None:
    server, client = tiny_server.server, tiny_server.client
    root = client.new_repo()
    client.new_instance(root, "tiny", "kv")
    client.commit(root)
    child = client.child(root)
    repo, version = server.repos.find(child)
    instance = server.instances.get(repo, "kv")

    def epochs() -> list[int | None]:
        found = []
        for number in (repo.root, child):
            with instance.view(server.repos.find(number)[1]) as view:
                found.append(view.epoch)
        return found

    first = epochs()
    with instance.begin(version) as txn:
        txn.put(b"a", b"1")
    second = epochs()
    assert second[0] == first[0]
    assert second[1] != first[1]
    with instance.begin(version) as txn:
        txn.put_shared(b"s", b"1")
    assert epochs()[0] != second[0]

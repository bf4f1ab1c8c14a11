"""Views and transactions: all or nothing, and one snapshot for a view."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from dvid_framework.errors import Locked, StorageError, StoreFull, TooLarge
from dvid_framework.instances.instance import Instance
from dvid_framework.storage.base import Store
from dvid_framework.storage.envelope import LZ4
from dvid_framework.storage.keys import instance_bounds
from dvid_framework.storage.memory import MemoryStore
from dvid_framework.testing.core import Core
from dvid_framework.testing.faults import FailingStore, PowerLossStore
from dvid_framework.versions.changes import add_child, commit_version
from dvid_framework.versions.record import VersionRecord
from dvid_framework.versions.repo import Repo


def _same(store: Store) -> Store:
    return store


def _read(instance: Instance, version: VersionRecord) -> dict[bytes, bytes]:
    with instance.view(version) as view:
        return {key: bytes(value) for key, value in view.scan()}


def test_what_is_put_can_be_read_on_any_store(any_core: Core) -> None:
    repo = any_core.repos.create()
    instance, root = any_core.instance(repo, "t"), repo.dag.root
    with instance.begin(root) as txn:
        txn.put(b"a", b"1")
        txn.put(b"b", b"x" * 100_000)
        txn.delete(b"c")
    assert _read(instance, root) == {b"a": b"1", b"b": b"x" * 100_000}
    any_core.restart()
    repo = next(iter(any_core.repos))
    assert _read(any_core.instances.get(repo, "t"), repo.dag.root) == {b"a": b"1", b"b": b"x" * 100_000}


def test_nothing_is_visible_before_the_end(instance: Instance, repo: Repo) -> None:
    root = repo.dag.root
    with instance.begin(root) as txn:
        txn.put(b"a", b"1")
        assert _read(instance, root) == {}
    assert _read(instance, root) == {b"a": b"1"}


def test_an_exception_leaves_no_trace(core: Core, instance: Instance, repo: Repo) -> None:
    before = core.log.written
    with pytest.raises(ValueError, match="no"), instance.begin(repo.dag.root) as txn:  # noqa: PT012
        txn.put(b"a", b"1")
        txn.emit("put")
        raise ValueError("no")
    assert _read(instance, repo.dag.root) == {}
    assert core.log.written == before
    with instance.begin(repo.dag.root):
        pass
    assert core.log.written == before, "a transaction without changes and entries writes nothing"


def test_a_view_keeps_its_state_while_others_write(instance: Instance, repo: Repo) -> None:
    root = repo.dag.root
    with instance.begin(root) as txn:
        txn.put(b"a", b"old")
    with instance.view(root) as view:
        with instance.begin(root) as txn:
            txn.put(b"a", b"new")
            txn.put(b"b", b"new")
        assert view.multi_get([b"a", b"b"]) == [b"old", None]
        assert list(view.keys()) == [b"a"]
    assert _read(instance, root) == {b"a": b"new", b"b": b"new"}


def test_a_child_sees_its_parent_until_it_writes_and_the_parent_never_sees_the_child(
    core: Core, instance: Instance, repo: Repo
) -> None:
    root = repo.dag.root
    with instance.begin(root) as txn:
        for key in (b"a", b"b", b"c"):
            txn.put(key, b"root")
    commit_version(core.repos, repo, root, "", [], "")
    child = add_child(core.repos, repo, root)
    with instance.begin(child) as txn:
        txn.put(b"a", b"child")
        txn.delete(b"b")
    assert _read(instance, child) == {b"a": b"child", b"c": b"root"}
    assert _read(instance, root) == {b"a": b"root", b"b": b"root", b"c": b"root"}
    with instance.view(child) as view:
        assert view.version_of(b"a") == child.id
        assert view.version_of(b"b") is None
        assert view.version_of(b"c") == root.id
        assert b"c" in view
        assert b"b" not in view


def test_a_committed_version_refuses_but_an_administrator_may(core: Core, instance: Instance, repo: Repo) -> None:
    root = repo.dag.root
    commit_version(core.repos, repo, root, "", [], "")
    with pytest.raises(Locked):
        instance.begin(root)
    with instance.begin(root, lift_lock=True) as txn:
        txn.put(b"a", b"1")
    assert _read(instance, root) == {b"a": b"1"}


def test_an_unversioned_instance_has_one_set_of_data_and_no_locks(core: Core, repo: Repo) -> None:
    instance, root = core.instance(repo, "flat", versioned=False), repo.dag.root
    commit_version(core.repos, repo, root, "", [], "")
    child = add_child(core.repos, repo, root)
    with instance.begin(child) as txn:
        txn.put(b"a", b"1")
    with instance.begin(root) as txn:
        txn.put(b"b", b"2")
    assert _read(instance, root) == _read(instance, child) == {b"a": b"1", b"b": b"2"}


def test_a_transaction_over_its_limit_is_refused_and_leaves_nothing(instance: Instance, repo: Repo) -> None:
    root = repo.dag.root
    for change in ("put", "delete"):
        with pytest.raises(TooLarge, match="1000 stored bytes"), instance.begin(root) as txn:  # noqa: PT012
            txn._limit = 1000
            for number in range(1000):
                if change == "put":
                    txn.put(b"%d" % number, b"value")
                else:
                    txn.delete(b"%d" % number)
    assert _read(instance, root) == {}


def test_callbacks_come_after_the_unit_is_written(instance: Instance, repo: Repo) -> None:
    calls: list[tuple[int, dict[bytes, bytes]]] = []
    with instance.begin(repo.dag.root) as txn:
        txn.put(b"a", b"1")
        txn.after_commit(lambda number: calls.append((number, _read(instance, repo.dag.root))))
        assert calls == []
    assert calls == [(txn.number, {b"a": b"1"})]
    with pytest.raises(ValueError, match="no"), instance.begin(repo.dag.root) as txn:  # noqa: PT012
        txn.after_commit(lambda number: calls.append((number, {})))
        raise ValueError("no")
    assert len(calls) == 1


def test_values_are_kept_in_the_codec_of_the_instance(core: Core, repo: Repo) -> None:
    plain = core.instance(repo, "plain", compression="none")
    packed = core.instance(repo, "packed", compression="gzip:6")
    for instance in (plain, packed):
        with instance.begin(repo.dag.root) as txn:
            txn.put(b"a", b"a" * 10_000)
    sizes = [
        sum(len(value) for value in (core.log.store.get(key) or b"" for key in _data_keys(core, i)))
        for i in (plain, packed)
    ]
    assert sizes[0] > 10_000
    assert sizes[1] < 200
    assert _read(plain, repo.dag.root) == _read(packed, repo.dag.root)


def _data_keys(core: Core, instance: Instance) -> list[bytes]:
    return list(core.log.store.scan_keys(*instance_bounds(instance.record.id)))


@pytest.mark.parametrize("error", [StorageError, StoreFull])
def test_wherever_the_store_fails_nothing_partial_is_visible_and_the_next_request_works(
    tmp_path: Path, error: type[StorageError]
) -> None:
    for call in range(1, 30):
        store = FailingStore(MemoryStore(), error)
        core = Core(tmp_path / str(call), partial(_same, store))
        repo = core.repos.create()
        instance, root = core.instance(repo, "t"), repo.dag.root
        before, written = store.calls, core.log.written
        store.fail_next(after=call - 1)
        failed = 0
        for number in range(3):
            try:
                with instance.begin(root) as txn:
                    for key in (b"a", b"b", b"c"):
                        txn.put(key, b"%d" % number)
                    txn.emit("put", Mutation=txn.mutation_id)
            except error:
                failed += 1
            values = set(_read(instance, root).values())
            assert len(values) <= 1, "half a mutation is visible"
            assert core.log.written - written == len(instance.mutations(root)), "data without record, or the reverse"
        reached = store.calls - before >= call
        assert failed <= 1
        store.fail_at = 0
        with instance.begin(root) as txn:
            txn.put(b"a", b"next")
        assert _read(instance, root)[b"a"] == b"next"
        core.close()
        if not reached:
            return
    raise AssertionError("the scenario has more calls than expected")


def test_durable_mutations_survive_a_power_loss_and_the_rest_is_a_prefix(tmp_path: Path) -> None:
    store = PowerLossStore()
    core = Core(tmp_path, partial(_same, store))
    repo = core.repos.create()
    instance, root = core.instance(repo, "t"), repo.dag.root
    durable = -1
    for number in range(12):
        with instance.begin(root, durable=number % 4 == 3) as txn:
            for key in (b"a", b"b"):
                txn.put(key, b"%d" % number)
        durable = number if number % 4 == 3 else durable
        for kept in range(len(store.unsynced) + 1):
            survivor = store.after_power_loss(kept)
            other = Core(tmp_path / f"{number}-{kept}", partial(_same, survivor))
            again = next(iter(other.repos))
            found = _read(other.instances.get(again, "t"), again.dag.root)
            assert len(set(found.values())) <= 1
            assert int(found.get(b"a", b"-1")) >= durable
            other.close()
    core.close()


def test_what_is_shared_is_read_at_once(instance: Instance, core: Core, repo: Repo) -> None:
    with instance.begin(repo.dag.root) as txn:
        txn.put_shared(b"s", b"1")
    commit_version(core.repos, repo, repo.dag.root)
    child = add_child(core.repos, repo, repo.dag.root)
    with instance.begin(child) as txn:
        txn.put_shared(b"s", b"2")
    for version in (repo.dag.root, child):
        with instance.view(version) as view:
            assert view.get_shared(b"s") == view.get(b"s") == b"2"
            assert view.get_shared(b"t") is None
    with instance.begin(child) as txn:
        txn.delete_shared(b"s")
        txn.delete_shared(b"never")
        txn.put_shared(b"t", b"x" * 1000, LZ4)
    for version in (repo.dag.root, child):
        with instance.view(version) as view:
            assert view.get_shared(b"s") is None
            assert view.get_shared(b"t") == b"x" * 1000


def test_what_is_shared_counts_towards_the_limit(core: Core, repo: Repo) -> None:
    instance = core.instance(repo, "small")
    txn = instance.begin(repo.dag.root)
    txn._limit = 1000
    with pytest.raises(TooLarge), txn:
        txn.put_shared(b"s", b"x" * 2000)
    assert _read(instance, repo.dag.root) == {}


def test_several_can_be_written_as_one(any_core: Core) -> None:
    repo = any_core.repos.create()
    instance, root = any_core.instance(repo, "t"), repo.dag.root
    before, told = any_core.log.written, list[tuple[str, int]]()
    with instance.begin(root, user="a") as first, instance.begin(root) as empty, instance.begin(root, user="c") as last:
        for name, txn in (("first", first), ("last", last)):
            txn.put_many([b"k", name.encode()], [name.encode(), memoryview(b"1")])
            txn.emit("put", Name=name)
            txn.after_commit(lambda number, name=name: told.append((name, number)))
        assert last.commit_behind([first, empty]) == before + 2
        assert first.commit() == before + 1
    assert (first.number, empty.number, last.number) == (before + 1, 0, before + 2)
    assert told == [("first", before + 1), ("last", before + 2)]
    assert _read(instance, root) == {b"k": b"last", b"first": b"1", b"last": b"1"}
    records = instance.mutations(root)
    assert [(record.user, record.entries[0]["Name"]) for record in records[-2:]] == [("a", "first"), ("c", "last")]
    assert [number for number, _ in any_core.log.read(before)] == [before + 1, before + 2]


def test_of_several_that_fail_none_is_written(tmp_path: Path) -> None:
    store = FailingStore(MemoryStore())
    core = Core(tmp_path, lambda: store)
    repo = core.repos.create()
    instance, root = core.instance(repo, "t"), repo.dag.root
    before = core.log.written
    first, last = instance.begin(root), instance.begin(root)

    def write() -> None:
        with first, last:
            first.put(b"a", b"1")
            last.put(b"b", b"1")
            last.commit_behind([first])

    store.fail_next()
    with pytest.raises(StorageError):
        write()
    assert _read(instance, root) == {}
    assert (core.log.written, first.number, last.number) == (before, 0, 0)
    with instance.begin(root) as txn:
        txn.put(b"c", b"1")
    assert txn.number == before + 1
    core.close()

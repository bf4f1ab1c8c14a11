"""What a transaction leaves in the mutation log, with the blobs that it names, and how that is found again."""

from __future__ import annotations

import hashlib

import pytest

from dvid_framework.errors import Conflict, NotFound
from dvid_framework.fsck import check
from dvid_framework.instances.instance import Instance
from dvid_framework.storage.batch import Batch
from dvid_framework.storage.blobs import get_blob
from dvid_framework.storage.envelope import seal_value
from dvid_framework.storage.keys import LOG_BY_MUTATION, after_prefix, blob_key
from dvid_framework.testing.core import Core
from dvid_framework.versions.repo import Repo


def test_the_log_tells_who_did_what_and_when(core: Core, instance: Instance, repo: Repo) -> None:
    root = repo.dag.root
    with instance.begin(root, user="ann", app="test") as txn:
        txn.put(b"a", b"1")
        txn.emit("put", Key="a")
        txn.emit("put", Key="b")
    with instance.begin(root) as txn:
        txn.delete(b"a")
        txn.emit("delete", Key="a")
        txn.mark_internal()
    first, second = instance.mutations(root)
    assert first.entries == [{"Action": "put", "Key": "a"}, {"Action": "put", "Key": "b"}]
    assert (first.user, first.app, first.internal) == ("ann", "test", False)
    assert first.time.endswith("Z")
    assert second.internal
    assert second.number == first.number + 1 == core.log.written


def test_a_mutation_tells_the_epoch_in_which_it_came(core: Core, instance: Instance, repo: Repo) -> None:
    root, other = repo.dag.root, core.instance(repo, "other")
    with instance.begin(root) as first:
        first.put(b"a", b"1")
    with instance.view(root) as view:
        assert view.epoch == first.number
    with other.begin(root) as aside:
        aside.put(b"a", b"1")
    with instance.begin(root) as second, instance.begin(root) as between:
        second.put(b"a", b"2")
        between.put(b"b", b"2")
    assert (between.before, second.before) == (first.number, between.number)
    with instance.view(root) as view:
        assert view.epoch == second.number


def test_mutation_ids_are_taken_once_and_only_when_asked_for(instance: Instance, repo: Repo) -> None:
    with instance.begin(repo.dag.root) as txn:
        txn.put(b"a", b"1")
    assert instance.mutations(repo.dag.root)[0].mutation_id == 0
    with instance.begin(repo.dag.root) as txn:
        first = txn.mutation_id
        assert txn.mutation_id == first >= 1_000_000_000
        txn.put(b"a", b"2")
    assert instance.mutations(repo.dag.root)[1].mutation_id == first


def test_a_blob_is_kept_with_its_mutation_or_not_at_all(core: Core, instance: Instance, repo: Repo) -> None:
    with pytest.raises(ValueError, match="no"), instance.begin(repo.dag.root) as txn:  # noqa: PT012
        reference = txn.put_blob(b"runs")
        raise ValueError("no")
    with pytest.raises(NotFound):
        get_blob(core.log.store, reference)
    for _ in range(2):
        with instance.begin(repo.dag.root) as txn:
            assert txn.put_blob(b"runs") == reference == "h4mDEXojcOW3AttJeG2gZw=="
            txn.emit("did")
    assert get_blob(core.log.store, reference) == b"runs"
    assert check(core.stores, core.repos, core.instances).clean


def test_a_blob_with_the_name_of_another_is_refused(core: Core, instance: Instance, repo: Repo) -> None:
    batch = Batch()
    key = blob_key(hashlib.md5(b"runs", usedforsecurity=False).digest())
    batch.put(key, seal_value(key, b"others"))
    core.log.store.write(batch)
    with pytest.raises(Conflict), instance.begin(repo.dag.root) as txn:
        txn.put_blob(b"runs")


def test_the_latest_mutations_come_first(instance: Instance, repo: Repo) -> None:
    for number in range(5):
        with instance.begin(repo.dag.root) as txn:
            txn.emit("did", Number=number, _Own=number)
            if number == 3:
                txn.mark_internal()
    latest = list(instance.latest_mutations(repo.dag.root))
    assert latest == instance.mutations(repo.dag.root)[::-1]
    shown = [entry for mutation in latest for entry in instance.wire_entries(mutation)]
    assert [entry["Number"] for entry in shown] == [4, 2, 1, 0]
    assert not any("_Own" in entry for entry in shown)


def test_a_mutation_is_found_by_its_id(instance: Instance, core: Core, repo: Repo) -> None:
    ids = []
    for number in range(4):
        with instance.begin(repo.dag.root) as txn:
            txn.emit("did", Number=number)
            ids.append(txn.mutation_id)
            if number == 3:
                txn.mark_internal()
    store, root = core.log.store, [repo.dag.root]
    batch, named = Batch(), list(store.scan_keys(LOG_BY_MUTATION, after_prefix(LOG_BY_MUTATION)))
    assert len(named) == 3
    batch.delete(named[0])  # as an older server left it
    store.write(batch)
    found = [instance.find_mutation(mutation_id, root) for mutation_id in ids]
    assert [mutation and mutation.entries[0]["Number"] for mutation in found] == [0, 1, 2, None]
    assert instance.find_mutation(ids[3] + 1, root) is None
    assert instance.find_mutation(ids[1], []) is None
    assert check(core.stores, core.repos, core.instances).clean


def test_the_largest_mutation_id_is_looked_for_like_any_other(instance: Instance, repo: Repo) -> None:
    with instance.begin(repo.dag.root) as txn:
        txn.put(b"a", b"1")
        txn.emit("put")
    assert instance.find_mutation(2**64 - 1, [repo.dag.root]) is None

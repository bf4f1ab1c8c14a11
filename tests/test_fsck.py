"""The offline check sees each kind of damage, and nothing where all is well."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from dvid_framework.fsck import Report, check
from dvid_framework.storage import keys
from dvid_framework.storage.base import Store
from dvid_framework.storage.blobs import put_blob
from dvid_framework.storage.envelope import seal_value
from dvid_framework.testing.core import Core, memory_opener
from dvid_framework.testing.store_contract import batch_of
from dvid_framework.versions.changes import add_child, add_merge, commit_version


@pytest.fixture
def core(tmp_path: Path) -> Core:
    """A core with versions, a merge, data, tombstones and a blob."""
    core = Core(tmp_path, memory_opener())
    repo = core.repos.create()
    root, instance = repo.dag.root, core.instance(repo, "t")
    with instance.begin(root) as txn:
        txn.put(b"a", b"value of a" * 20)
        txn.delete(b"b")
        txn.emit("put")
    commit_version(core.repos, repo, root, "", [], "")
    child = add_child(core.repos, repo, root)
    commit_version(core.repos, repo, child, "", [], "")
    merged = add_merge(core.repos, repo, [(repo, root), (repo, child)])
    with instance.begin(merged) as txn:
        txn.put(b"a", b"2")
        txn.emit("put")
    put_blob(core.log.store, b"blob")
    return core


def _check(core: Core) -> Report:
    return check(core.stores, core.repos, core.instances)


def test_a_healthy_folder_has_no_problems_and_everything_is_counted(core: Core) -> None:
    heard: list[str] = []
    report = check(core.stores, core.repos, core.instances, heard.append)
    assert report.problems == []
    assert report.clean
    assert report.counts["data records"] == 3
    assert report.counts["blobs"] == 1
    assert (report.counts["repos"], report.counts["versions"], report.counts["instances"]) == (1, 3, 1)
    assert report.counts["mutation records"] == core.log.written
    assert "repos and versions" in heard


def _first(store: Store, kind: bytes) -> tuple[bytes, bytes]:
    after = bytes([kind[0] + 1])
    return next((key, value) for key, value in store.scan(kind, after) if value)


def _flip(store: Store, kind: bytes) -> None:
    key, value = _first(store, kind)
    store.write(batch_of([(key, value[:-1] + bytes([value[-1] ^ 1]))]))


def _record_of_a_stranger(store: Store) -> None:
    key = keys.data_prefix(99) + keys.encode_type_key(b"a") + keys.tail_of(1, keys.VALUE)
    store.write(batch_of([(key, seal_value(key, b"1"))]))


def _record_of_an_unknown_version(store: Store) -> None:
    key = keys.data_prefix(1) + keys.encode_type_key(b"a") + keys.tail_of(77, keys.VALUE)
    store.write(batch_of([(key, seal_value(key, b"1"))]))


def _value_and_tombstone(store: Store) -> None:
    key, _ = _first(store, keys.DATA)
    store.write(batch_of([(key[:-1] + bytes([keys.TOMBSTONE]), b"")]))


def _mutation_record_gone(store: Store) -> None:
    store.write(batch_of([(keys.log_key(2), None)]))


def _name_of_a_record_gone(store: Store) -> None:
    name = next(store.scan_keys(keys.LOG_BY_VERSION, keys.CURSOR))
    store.write(batch_of([(name, None)]))


def _name_of_no_record(store: Store) -> None:
    store.write(batch_of([(keys.log_by_mutation_key(1, 1_000_000_000, 99), b"")]))


def _blob_of_another_name(store: Store) -> None:
    key = keys.blob_key(b"0" * 16)
    store.write(batch_of([(key, seal_value(key, b"other"))]))


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda store: _flip(store, keys.DATA), "checksum"),
        (lambda store: _flip(store, keys.LOG), "checksum"),
        (lambda store: _flip(store, keys.BLOB), "checksum"),
        (lambda store: _flip(store, keys.METADATA), "checksum"),
        (_record_of_a_stranger, "unknown instance 99"),
        (_record_of_an_unknown_version, "unknown version 77"),
        (_value_and_tombstone, "both a value and a tombstone"),
        (_mutation_record_gone, "are missing"),
        (_name_of_a_record_gone, "not found under"),
        (_name_of_no_record, "leads to no mutation record"),
        (_blob_of_another_name, "does not have the hash"),
    ],
)
def test_damage_is_told(core: Core, damage: Callable[[Store], None], said: str) -> None:
    damage(core.log.store)
    report = _check(core)
    assert not report.clean
    assert any(said in problem for problem in report.problems), report.problems

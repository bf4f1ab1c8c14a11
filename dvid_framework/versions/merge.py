"""Merging with a priority: where branches disagree about a key, the first parent's value is written into the merge."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from dvid_framework.errors import CorruptValue, TooLarge
from dvid_framework.storage import keys
from dvid_framework.storage.base import Reader
from dvid_framework.storage.batch import Batch
from dvid_framework.storage.envelope import LZ4, open_value, seal_value
from dvid_framework.storage.log import CommitLog
from dvid_framework.versions.changes import check_parents
from dvid_framework.versions.ids import new_uuid, now_rfc3339
from dvid_framework.versions.record import InstanceRecord, Mutation, VersionRecord
from dvid_framework.versions.repo import Repo
from dvid_framework.versions.repos import Repos
from dvid_framework.versions.resolve import Lineage
from dvid_framework.versions.txn import MUTATION_BYTES

__all__ = ["ConflictingKey", "add_resolved_merge", "conflicts"]


@dataclass(frozen=True, slots=True)
class ConflictingKey:
    """A key on which merged branches disagree.

    Attributes:
        type_key: the key.
        versions: ids of the versions whose values contend.
        records: all records of the key, as version id -> whether it is a value.
    """

    type_key: bytes
    versions: frozenset[int]
    records: dict[int, bool]


def conflicts(reader: Reader, instance: int, lineage: Lineage) -> Iterator[ConflictingKey]:
    """Yield the keys of an instance on which the branches merged in a lineage disagree, in byte order."""
    prefix = keys.data_prefix(instance)
    base, records = b"", dict[int, bool]()
    for key in reader.scan_keys(*keys.instance_bounds(instance)):
        if key[: -keys.TAIL.size] != base:
            yield from _disagreement(base[len(prefix) :], records, lineage)
            base, records = key[: -keys.TAIL.size], {}
        version, marker = keys.TAIL.unpack(key[-keys.TAIL.size :])
        records[version] = marker == keys.VALUE
    yield from _disagreement(base[len(prefix) :], records, lineage)


def _disagreement(encoded: bytes, records: dict[int, bool], lineage: Lineage) -> Iterator[ConflictingKey]:
    if len(records) > 1:
        visible = lineage.resolve(records)
        if len(visible) > 1:
            yield ConflictingKey(keys.decode_type_key(encoded), frozenset(visible), records)


def _first_seen(repo: Repo, parents: Sequence[int], conflict: ConflictingKey) -> int:
    """Return the contending version that the first parent to see any of them sees."""
    for parent in parents:
        seen = repo.dag.lineage(parent).resolve(conflict.records) & conflict.versions
        if len(seen) == 1:
            return next(iter(seen))
        if seen:  # an earlier merge left it undecided
            return _first_seen(repo, repo.dag.parents(parent), conflict)
    return max(conflict.versions)


def add_resolved_merge(
    repos: Repos,
    repo: Repo,
    instances: Sequence[tuple[InstanceRecord, CommitLog]],
    parents: Sequence[tuple[Repo, VersionRecord]],
    note: str = "",
    user: str = "",
) -> VersionRecord:
    """Make an open merge of versions in which no key of the given instances conflicts.

    A change on one side only wins by the read rule. Where both sides wrote, the value of the first parent (in order)
    that sees one is written into the merge version. Instances in the metadata store are settled in the one unit that
    makes the version; those in other stores just before, under the version's id, which nobody can read yet.

    Raises:
        BadRequest: see `check_parents`.
        TooLarge: the values to write exceed the limit of a mutation.
    """
    with repos.lock:
        ids = check_parents(repo, parents)
        elsewhere = any(log is not repos.log for _, log in instances)
        number, now = repos.claim_version_id() if elsewhere else repos.next_version_id(), now_rfc3339()

        def above(version: int) -> Sequence[int]:
            return ids if version == number else repo.dag.parents(version)

        lineage, own = Lineage(number, above), Batch()
        for record, log in instances:
            batch = own if log is repos.log else Batch()
            _settle(repo, record, log, lineage, ids, batch)
            if batch is not own and len(batch):
                settled = [{"Action": "resolve", "Data": record.name}]
                mutation = Mutation(
                    repo=repo.id, instance=record.id, version=number, time=now, entries=settled, internal=True
                )
                log.make_durable(log.commit(batch, msgspec.msgpack.encode(mutation), ((record.id, number),)))
        version = VersionRecord(
            id=number, repo=repo.id, uuid=new_uuid(), note=note, parents=ids, created=now, updated=now
        )
        entry: dict[str, Any] = {
            "Action": "resolve",
            "Parents": [parent.uuid for _, parent in parents],
            "Child": version.uuid,
            "Data": [record.name for record, _ in instances],
            "Note": note,
        }
        repos.write([entry], versions=(version,), batch=own, user=user)
        return version


def _settle(
    repo: Repo, record: InstanceRecord, log: CommitLog, lineage: Lineage, parents: Sequence[int], batch: Batch
) -> None:
    """Add to batch the winning value of each conflicting key, as a record of the merge version."""
    reader = log.store.snapshot()
    try:
        for conflict in conflicts(reader, record.id, lineage):
            encoded = keys.data_prefix(record.id) + keys.encode_type_key(conflict.type_key)
            source = encoded + keys.tail_of(_first_seen(repo, parents, conflict), keys.VALUE)
            sealed = reader.get(source)
            if sealed is None:
                raise CorruptValue(f"the value of key {source.hex()} is missing")
            target = encoded + keys.tail_of(lineage.version, keys.VALUE)
            batch.put(target, seal_value(target, bytes(open_value(source, sealed)), LZ4))
            if batch.stored_bytes > MUTATION_BYTES:
                raise TooLarge(f"settling the conflicts of {record.name!r} takes more than {MUTATION_BYTES} bytes")
    finally:
        reader.close()

"""An offline check of a data folder: everything that the promises say of what is stored."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import msgspec

from dvid_framework.errors import CorruptValue, DvidError
from dvid_framework.events.deletion import DELETE
from dvid_framework.events.job_records import JobRecords
from dvid_framework.instances.jobs import JobRecord
from dvid_framework.instances.registry import Instances
from dvid_framework.storage import keys
from dvid_framework.storage.blobs import is_name_of
from dvid_framework.storage.envelope import open_value
from dvid_framework.storage.log import CommitLog
from dvid_framework.storage.stores import Stores
from dvid_framework.versions.record import Mutation
from dvid_framework.versions.repos import Repos

__all__ = ["Report", "check"]

_decode = msgspec.msgpack.Decoder(Mutation).decode


@dataclass(slots=True)
class Report:
    """What a check found.

    Attributes:
        counts: how many records of each class were read.
        problems: a sentence for each thing that is wrong.
    """

    counts: dict[str, int] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def count(self, what: str, number: int = 1) -> None:
        """Add to a count."""
        self.counts[what] = self.counts.get(what, 0) + number

    @property
    def clean(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems


def _entries(log: CommitLog, start: bytes, stop: bytes, report: Report) -> Iterator[tuple[bytes, bytes]]:
    try:
        yield from log.store.scan(start, stop)
    except CorruptValue as error:
        report.problems.append(error.message)


def _opened(key: bytes, sealed: bytes, report: Report) -> memoryview | None:
    try:
        return open_value(key, sealed)
    except CorruptValue as error:
        report.problems.append(error.message)
        return None


@dataclass(frozen=True, slots=True)
class _Deleted:
    """What was deleted, of which no data may be left but where a job is still at it.

    Attributes:
        instances: names by id.
        versions: UUIDs by id.
        removing: ids of instances whose data is being removed.
    """

    instances: dict[int, str]
    versions: dict[int, str]
    removing: set[int]


def _deleted(repos: Repos, jobs: Iterable[JobRecord]) -> _Deleted:
    instances: dict[int, str] = {}
    versions: dict[int, str] = {}
    for repo in repos.all_former():
        whole = repo.record.deleted
        instances |= {number: record.name for number, record in repo.gone_instances.items()}
        instances |= {record.id: record.name for record in repo.instances.values() if whole}
        versions |= {number: version.uuid for number, version in repo.gone_versions.items()}
        versions |= {version.id: version.uuid for version in repo.dag if whole}
    unfinished = [job for job in jobs if job.kind == DELETE and not job.ended]
    removing = {number for job in unfinished for number, _ in job.arguments["instances"]}
    return _Deleted(instances, versions, removing)


def _check_data(log: CommitLog, known: dict[int, str], versions: set[int], deleted: _Deleted, report: Report) -> None:
    """Each value opens, belongs to a known instance and version, and is not a value and a tombstone at once."""
    before, strangers = b"", set[int]()
    for key, sealed in _entries(log, keys.DATA, keys.BLOB, report):
        report.count("data records")
        instance = int.from_bytes(key[1:5], "big")
        version, marker = keys.TAIL.unpack(key[-keys.TAIL.size :])
        if instance in deleted.removing and (instance not in known or version in deleted.versions):
            report.count("data records that a job removes")
            continue
        if instance not in known and instance not in strangers:
            strangers.add(instance)
            name = deleted.instances.get(instance)
            report.problems.append(
                f"data of an unknown instance {instance}" if name is None else f"data of the deleted instance {name!r}"
            )
        if version not in versions:
            report.problems.append(f"key {key.hex()} is of an unknown version {version}")
        if key[:-1] == before[:-1] and before:
            report.problems.append(f"key {key.hex()} is both a value and a tombstone")
        before = key
        if marker == keys.VALUE:
            _opened(key, sealed, report)


def _check_log(log: CommitLog, known: Collection[int], versions: Collection[int], report: Report) -> None:
    """The records are numbered without a gap, decode, and are named under their instance and version."""
    expected = 1
    for key, sealed in _entries(log, keys.LOG, keys.LOG_BY_VERSION, report):
        report.count("mutation records")
        number = keys.number_of_log_key(key)
        if number != expected:
            report.problems.append(f"mutation records {expected} to {number - 1} are missing")
        expected = number + 1
        value = _opened(key, sealed, report)
        if value is None:
            continue
        try:
            mutation = _decode(value)
        except (msgspec.MsgspecError, ValueError) as error:
            report.problems.append(f"mutation record {number} is damaged: {error}")
            continue
        if mutation.instance and mutation.instance not in known:
            report.problems.append(f"mutation record {number} is of an unknown instance {mutation.instance}")
        if mutation.version and mutation.version not in versions:
            report.problems.append(f"mutation record {number} is of an unknown version {mutation.version}")
        name = keys.log_by_version_key(mutation.instance, mutation.version, number)
        if mutation.instance and log.store.get(name) is None:
            report.problems.append(f"mutation record {number} is not found under its instance and version")
    names = chain(
        _entries(log, keys.LOG_BY_VERSION, keys.CURSOR, report),
        _entries(log, keys.LOG_BY_MUTATION, keys.after_prefix(keys.LOG_BY_MUTATION), report),
    )
    for key, _ in names:
        if log.store.get(keys.log_key(keys.number_of_log_key(key))) is None:
            report.problems.append(f"the name {key.hex()} leads to no mutation record")


def _check_blobs(log: CommitLog, report: Report) -> None:
    for key, sealed in _entries(log, keys.BLOB, keys.LOG, report):
        report.count("blobs")
        value = _opened(key, sealed, report)
        if value is not None and not is_name_of(key[1:], bytes(value)):
            report.problems.append(f"the blob {key[1:].hex()} does not have the hash that names it")


def _check_repos(repos: Repos, report: Report) -> None:
    """Parents exist, are older, and are committed; each repo has one root."""
    for repo in repos:
        report.count("repos")
        ids = {version.id for version in repo.dag}
        report.count("versions", len(ids))
        report.count("instances", len(repo.instances))
        roots = [version.uuid for version in repo.dag if not version.parents]
        if roots != [repo.root]:
            report.problems.append(f"repo {repo.root} has the roots {roots}")
        for version in repo.dag:
            for parent in version.parents:
                if parent not in ids or parent >= version.id:
                    report.problems.append(f"version {version.uuid} has a bad parent {parent}")
                elif not repo.dag[parent].locked:
                    report.problems.append(f"version {version.uuid} has an open parent {repo.dag[parent].uuid}")


def _check_instances(repos: Repos, instances: Instances, report: Report) -> None:
    """Let each installed datatype check what it alone understands."""
    for repo in repos:
        for name in list(repo.instances):
            try:
                instance = instances.get(repo, name)
                for version in repo.dag:
                    report.problems.extend(f"instance {name!r}: {problem}" for problem in instance.check(version))
            except DvidError as error:
                report.problems.append(f"instance {name!r} of repo {repo.root}: {error.message}")


def check(stores: Stores, repos: Repos, instances: Instances, progress: Callable[[str], Any] | None = None) -> Report:
    """Check all stores of a data folder that no server has open.

    Args:
        stores: the opened stores.
        repos: the repos loaded from them.
        instances: the registry, so that datatypes check what they understand.
        progress: called with what is checked next.

    Returns:
        What was read, and what is wrong.
    """
    progress = progress or str
    report = Report()
    known = {record.id: record.name for repo in repos for record in repo.instances.values()}
    versions = {version.id for repo in repos for version in repo.dag}
    deleted = _deleted(repos, JobRecords(stores, repos))
    progress("repos and versions")
    _check_repos(repos, report)
    for alias in stores.aliases():
        log = stores.log(alias)
        progress(f"metadata of store {alias}")
        _check_metadata(log, report)
        progress(f"data of store {alias}")
        _check_data(log, known, versions, deleted, report)
        progress(f"mutation log of store {alias}")
        _check_log(log, known.keys() | deleted.instances.keys(), versions | deleted.versions.keys(), report)
        progress(f"blobs of store {alias}")
        _check_blobs(log, report)
    progress("instances")
    _check_instances(repos, instances, report)
    return report


def _check_metadata(log: CommitLog, report: Report) -> None:
    for key, sealed in _entries(log, keys.METADATA, keys.DATA, report):
        report.count("metadata records")
        _opened(key, sealed, report)

"""All repos of a server: loading, looking up, and the changes of the DAG, each one atomic unit with its log record."""

from __future__ import annotations

import threading
from bisect import bisect_left, insort
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

import msgspec

from dvid_framework.errors import BadRequest, CorruptValue
from dvid_framework.storage import keys
from dvid_framework.storage.batch import Batch
from dvid_framework.storage.envelope import open_value, seal_value
from dvid_framework.storage.log import CommitLog
from dvid_framework.versions.dag import Dag
from dvid_framework.versions.gate import Gates
from dvid_framework.versions.ids import check_uuid, new_uuid, now_rfc3339
from dvid_framework.versions.mutation_ids import FIRST_MUTATION_ID, MutationIds
from dvid_framework.versions.record import InstanceRecord, Mutation, RepoRecord, VersionRecord
from dvid_framework.versions.repo import Repo

__all__ = ["Repos"]

_REPO, _VERSION, _INSTANCE, _COUNTERS = b"repo", b"version", b"instance", b"counters"
_encode = msgspec.json.encode
JoinUnit = Callable[[list[dict[str, Any]], tuple[VersionRecord, ...], Batch, str], Callable[[bool], None] | None]
_Record = TypeVar("_Record", RepoRecord, VersionRecord, InstanceRecord)


class _Counters(msgspec.Struct):
    repo: int = 0
    version: int = 0
    instance: int = 0


class Repos:
    """The repos, their versions and the records of their instances.

    Everything is in memory and in the metadata store; each change writes one record for each thing that it changes,
    never one blob for everything. Safe to use from several threads.

    Attributes:
        log: commit log of the metadata store.
        gates: the gates of the versions.
        changes: a number that each change of a repo, a version or an instance raises once it can be seen: what was
            looked up is as it was while this is.
        join_unit: adds to the batch of a change what belongs to it, by its entries and versions, for a user; returns
            what to call with whether the unit was written.
    """

    def __init__(self, log: CommitLog, gates: Gates, first_mutation_id: int = FIRST_MUTATION_ID) -> None:
        self.log = log
        self.gates = gates
        self.changes = 0
        self.join_unit: JoinUnit | None = None
        self.lock = threading.RLock()
        self._first_mutation_id = first_mutation_id
        self._repos: dict[int, Repo] = {}
        self._gone: dict[int, Repo] = {}  # those that were deleted
        self._versions: dict[str, tuple[int, int]] = {}  # UUID -> repo, version
        self._sorted: list[str] = []
        self._counters = _Counters()
        self._load()

    # -- stored form

    def _load(self) -> None:
        store = self.log.store
        sealed = store.get(keys.metadata_key(_COUNTERS))
        if sealed is not None:
            self._counters = msgspec.json.decode(open_value(keys.metadata_key(_COUNTERS), sealed), type=_Counters)
        versions: dict[int, list[VersionRecord]] = {}
        for version in self._stored(_VERSION, VersionRecord):
            versions.setdefault(version.repo, []).append(version)
        for record in self._stored(_REPO, RepoRecord):
            ids = MutationIds(store, record.id, self._first_mutation_id)
            own = versions.get(record.id, ())
            gone = {version.id: version for version in own if version.deleted}
            repo = Repo(record, Dag(version for version in own if not version.deleted), ids, gone_versions=gone)
            (self._gone if record.deleted else self._repos)[record.id] = repo
            if not record.deleted:
                self._versions |= {version.uuid: (record.id, version.id) for version in repo.dag}
        self._sorted = sorted(self._versions)
        for instance in self._stored(_INSTANCE, InstanceRecord):
            if instance.tags is None:
                instance.tags = {}  # the original shows an instance without tags so after a restart
            (self._repos.get(instance.repo) or self._gone[instance.repo]).show_instance(instance)

    def _stored(self, kind: bytes, record_type: type[_Record]) -> Iterator[_Record]:
        prefix = keys.METADATA + kind + b":"
        for key, sealed in self.log.store.scan(prefix, keys.after_prefix(prefix)):
            try:
                yield msgspec.json.decode(open_value(key, sealed), type=record_type)
            except msgspec.MsgspecError as error:
                raise CorruptValue(f"the {kind.decode()} record of key {key.hex()} is damaged: {error}") from error

    @staticmethod
    def _put(batch: Batch, kind: bytes, record: msgspec.Struct, number: int | None) -> None:
        key = keys.metadata_key(kind, number)
        batch.put(key, seal_value(key, _encode(record)))

    def write(
        self,
        entries: list[dict[str, Any]],
        *,
        repo: RepoRecord | None = None,
        versions: tuple[VersionRecord, ...] = (),
        instances: tuple[InstanceRecord, ...] = (),
        batch: Batch | None = None,
        user: str = "",
    ) -> None:
        """Write changed records, and whatever is in `batch`, as one durable unit; then show them in memory."""
        batch = batch or Batch()
        counters = self._counters
        number = repo.id if repo else versions[0].repo if versions else instances[0].repo
        self._check_there(number, versions, instances)
        if repo:
            self._put(batch, _REPO, repo, repo.id)
            counters = msgspec.structs.replace(counters, repo=max(counters.repo, repo.id))
        for version in versions:
            self._put(batch, _VERSION, version, version.id)
            counters = msgspec.structs.replace(counters, version=max(counters.version, version.id))
        for instance in instances:
            self._put(batch, _INSTANCE, instance, instance.id)
            counters = msgspec.structs.replace(counters, instance=max(counters.instance, instance.id))
        if counters != self._counters:
            self._put(batch, _COUNTERS, counters, None)
        mutation = Mutation(repo=number, time=now_rfc3339(), user=user, entries=entries, internal=True)
        if versions:
            mutation.version = versions[-1].id
        ids = None  # made before the write: after it nothing may fail that keeps the server from knowing of it
        if repo is not None and repo.id not in self._repos:
            ids = MutationIds(self.log.store, repo.id, self._first_mutation_id)
        joined = self.join_unit(entries, versions, batch, user) if self.join_unit is not None else None
        try:
            written = self.log.commit(batch, msgspec.msgpack.encode(mutation))
        except BaseException:
            if joined is not None:
                joined(False)
            raise
        self._counters = counters
        self._show(repo, versions, instances, ids)
        self.changes += 1
        if joined is not None:
            joined(True)
        self.log.make_durable(written)

    def _check_there(
        self, number: int, versions: tuple[VersionRecord, ...], instances: tuple[InstanceRecord, ...]
    ) -> None:
        """Refuse to change what another request has deleted meanwhile."""
        repo = self._repos.get(number)
        gone = number in self._gone
        if repo is not None:
            gone = any(version.id in repo.gone_versions for version in versions)
            gone = gone or any(instance.id in repo.gone_instances for instance in instances)
        if gone:
            raise BadRequest("it was deleted meanwhile")

    def _show(
        self,
        repo: RepoRecord | None,
        versions: tuple[VersionRecord, ...],
        instances: tuple[InstanceRecord, ...],
        ids: MutationIds | None,
    ) -> None:
        if repo and ids is not None:
            self._repos[repo.id] = Repo(repo, Dag(()), ids)
        elif repo:
            self._repos[repo.id].record = repo
        if repo and repo.deleted:
            gone = self._gone[repo.id] = self._repos[repo.id]
            del self._repos[repo.id]
            self._drop(gone.dag)
        elif any(version.deleted for version in versions) or len(versions) > 1:
            self._repos[versions[0].repo].show_versions(versions)
            self._drop(version for version in versions if version.deleted)
        else:
            for version in versions:
                self._show_version(version)
        for instance in instances:
            self._repos[instance.repo].show_instance(instance)

    def _show_version(self, version: VersionRecord) -> None:
        dag = self._repos[version.repo].dag
        if version.uuid in self._versions:
            dag.replace(version)
        else:
            dag.add(version)
            self._versions[version.uuid] = (version.repo, version.id)
            insort(self._sorted, version.uuid)

    def _drop(self, versions: Iterable[VersionRecord]) -> None:
        """Find versions no more; their UUIDs are free."""
        for version in versions:
            self._versions.pop(version.uuid, None)
        self._sorted = sorted(self._versions)

    # -- looking up

    def __iter__(self) -> Iterator[Repo]:
        return iter(list(self._repos.values()))

    def __len__(self) -> int:
        return len(self._repos)

    def by_id(self, number: int) -> Repo:
        """Return the repo of a local id.

        Raises:
            BadRequest: there is none, or it was deleted.
        """
        repo = self._repos.get(number)
        if repo is None:
            raise BadRequest(f"the repo with the local id {number} is gone")
        return repo

    def former(self, number: int) -> Repo | None:
        """Return the repo of a local id, also one that was deleted; None for none."""
        return self._repos.get(number) or self._gone.get(number)

    def all_former(self) -> Iterator[Repo]:
        """Yield all repos, and those that were deleted."""
        yield from [*self._repos.values(), *self._gone.values()]

    def find(self, reference: str) -> tuple[Repo, VersionRecord]:
        """Return the version that a reference names, and its repo.

        Args:
            reference: a UUID or its start, unique on the server; with `:BRANCH` and `~N` behind it as in `Repo.select`;
                or `:BRANCH` alone where there is one repo.

        Raises:
            BadRequest: no version, or several, are named so.
        """
        start, colon, selector = reference.partition(":")
        if ":" in selector:
            raise BadRequest(f"{reference!r} has more than one colon; UUID:BRANCH~N is allowed")
        if not start:
            if not colon or len(self._repos) != 1:
                raise BadRequest(f"{reference!r} names no version: without a UUID there must be exactly one repo")
            repo = next(iter(self._repos.values()))
            return repo, repo.select(selector)
        place = self._versions.get(start) or self._versions.get(self._complete(start))
        if place is None:
            raise BadRequest(f"the version {start!r} was deleted meanwhile")
        repo = self.by_id(place[0])
        version = repo.dag[place[1]]
        return repo, (repo.select(selector) if colon else version)

    def _complete(self, start: str) -> str:
        at = bisect_left(self._sorted, start)
        matching = [uuid for uuid in self._sorted[at : at + 2] if uuid.startswith(start)]
        if not matching:
            raise BadRequest(f"there is no version whose UUID starts with {start!r}")
        if len(matching) > 1:
            raise BadRequest(f"several versions have a UUID that starts with {start!r}")
        return matching[0]

    # -- changes

    def create(
        self, alias: str = "", description: str = "", root: str | None = None, passcode: str = "", user: str = ""
    ) -> Repo:
        """Make a repo with its root version.

        Raises:
            BadRequest: root is no UUID, or in use.
        """
        with self.lock:
            uuid = self._fresh_uuid(root)
            now, number = now_rfc3339(), self._counters.repo + 1
            record = RepoRecord(
                id=number,
                root=uuid,
                alias=alias,
                description=description,
                passcode=passcode,
                created=now,
                updated=now,
            )
            version = VersionRecord(id=self._counters.version + 1, repo=number, uuid=uuid, created=now, updated=now)
            entry = {"Action": "newrepo", "UUID": uuid, "Alias": alias}
            self.write([entry], repo=record, versions=(version,), user=user)
            return self._repos[number]

    def _fresh_uuid(self, wanted: str | None) -> str:
        uuid = new_uuid() if wanted is None else check_uuid(wanted)
        if uuid in self._versions:
            raise BadRequest(f"UUID {uuid} is in use on this server")
        return uuid

    def update_repo(self, repo: Repo, entry: dict[str, Any], user: str = "", **changes: Any) -> None:
        """Change fields of a repo's record."""
        with self.lock:
            record = msgspec.structs.replace(repo.record, updated=now_rfc3339(), **changes)
            self.write([entry], repo=record, user=user)

    def update_version(self, repo: Repo, number: int, entry: dict[str, Any], user: str = "", **changes: Any) -> None:
        """Change fields of a version's record."""
        with self.lock:
            record = msgspec.structs.replace(repo.dag[number], updated=now_rfc3339(), **changes)
            self.write([entry], versions=(record,), user=user)

    def add_version(
        self,
        repo: Repo,
        parents: list[int],
        *,
        branch: str = "",
        note: str = "",
        uuid: str | None = None,
        entry: Callable[[str], dict[str, Any]],
        tag: bool = False,
        user: str = "",
    ) -> VersionRecord:
        """Make a child of one or more versions.

        Args:
            repo: their repo.
            parents: ids, in order.
            branch: branch of the child; master's is the empty name.
            note: its note.
            uuid: its UUID; a random one by default.
            entry: makes the log entry from the child's UUID.
            tag: take `uuid` as a tag, which need not be hex digits, and lock the child.
            user: who asked for it.

        Raises:
            BadRequest: the UUID is malformed or in use.
        """
        with self.lock:
            if tag and uuid is not None:
                if uuid in self._versions:
                    raise BadRequest(f"the tag {uuid!r} is in use")
                child = uuid
            else:
                child = self._fresh_uuid(uuid)
            now = now_rfc3339()
            record = VersionRecord(
                id=self._counters.version + 1,
                repo=repo.id,
                uuid=child,
                branch=branch,
                note=note,
                locked=tag,
                parents=parents,
                created=now,
                updated=now,
            )
            self.write([entry(child)], versions=(record,), user=user)
            return record

    def next_instance_id(self) -> int:
        """Return the id that the next new instance gets; call it holding `lock`."""
        return self._counters.instance + 1

    def claim_version_id(self) -> int:
        """Take a version id for good, so that one never made leaves nothing to the next; holding `lock`."""
        counters = msgspec.structs.replace(self._counters, version=self._counters.version + 1)
        batch = Batch()
        self._put(batch, _COUNTERS, counters, None)
        self.log.store.write(batch)
        self._counters = counters
        return counters.version

    def next_version_id(self) -> int:
        """Return the id that the next new version gets; call it holding `lock`."""
        return self._counters.version + 1

"""One data instance: what datatypes subclass to read, write, follow others and work in the background."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec

from dvid_framework.errors import BadRequest, Locked
from dvid_framework.instances.context import InstanceContext
from dvid_framework.instances.jobs import JobRecord, Work
from dvid_framework.instances.settings import CHECKSUM_TEXTS, compression_text
from dvid_framework.instances.wire import wire_entries
from dvid_framework.storage import keys
from dvid_framework.storage.envelope import CODECS, open_value
from dvid_framework.storage.log import CommitLog
from dvid_framework.versions.gate import WAIT_SECONDS
from dvid_framework.versions.record import InstanceRecord, Mutation, VersionRecord
from dvid_framework.versions.repo import Repo
from dvid_framework.versions.resolve import Lineage
from dvid_framework.versions.txn import Txn
from dvid_framework.versions.view import View

if TYPE_CHECKING:
    from dvid_framework.instances.datatype import Datatype
    from dvid_framework.instances.registry import Instances

__all__ = ["Instance"]

_STANDPOINTS = 256  # remembered at once
_Standpoint = tuple[int, Lineage]


class Instance:
    """One data instance: the base of every datatype's own class.

    Subclass it, read by `view`, write by `begin`, and say in `extended` what `info` shows of the type. There is one
    object for each instance in a server; requests use it from several threads.

    Attributes:
        settings: the datatype's settings struct.
        lock: for operations that check and then write.
    """

    datatype: ClassVar[type[Datatype]]

    def __init__(self, context: InstanceContext) -> None:
        self._context = context
        self.settings: Any = msgspec.convert(context.record.settings, self.datatype.settings)
        self.lock = threading.RLock()
        self._standpoints: dict[int, _Standpoint] = {}

    # -- what it is

    @property
    def record(self) -> InstanceRecord:
        """The stored record, as it is now."""
        return self._context.repo.find_instance(self._context.record.id) or self._context.record

    @property
    def name(self) -> str:
        """Its name, unique in the repo."""
        return self.record.name

    @property
    def repo(self) -> Repo:
        """Its repo."""
        return self._context.repo

    @property
    def log(self) -> CommitLog:
        """Commit log of the store that holds its data."""
        return self._context.log

    @property
    def instances(self) -> Instances:
        """The registry, to ask for other instances by a typed interface."""
        return self._context.instances

    def extended(self, version: VersionRecord) -> Mapping[str, Any]:
        """Return what `info` shows under `Extended` at a version; by default nothing."""
        del version
        return {}

    def info(self, version: VersionRecord) -> dict[str, Any]:
        """Return what `GET info` answers: `Base`, which is the same for all types, and `Extended`."""
        record, repo = self.record, self._context.repo
        followed = {other.data_uuid: other.name for other in list(repo.instances.values())}
        base = {
            "TypeName": record.type_name,
            "TypeURL": record.type_url,
            "TypeVersion": record.type_version,
            "DataUUID": record.data_uuid,
            "Name": record.name,
            "RepoUUID": record.made_at,
            "Compression": compression_text(record.compression),
            "Checksum": CHECKSUM_TEXTS[record.checksum],
            "Syncs": [followed.get(uuid, "undefined") for uuid in record.follows],
            "Versioned": record.versioned,
            "KVStore": self._context.store_text,
            "LogStore": self._context.store_text,
            "Tags": record.tags,
        }
        return {"Base": base, "Extended": self.extended(version)}

    def post_info(self, version: VersionRecord, config: Mapping[str, Any], user: str) -> None:
        """Change settings by `POST info`, for types that allow it; others answer as for GET and change nothing."""

    def save_settings(self, settings: msgspec.Struct, user: str = "") -> None:
        """Store changed settings of this instance."""
        self._update({"Action": "settings"}, user, settings=msgspec.to_builtins(settings))
        self.settings = settings

    def save_tags(self, tags: dict[str, str], user: str = "") -> None:
        """Store changed tags."""
        self._update({"Action": "tags"}, user, tags=tags)

    def mark_upgraded(self) -> None:
        """Note that the stored form is that of the installed datatype."""
        self._update({"Action": "upgrade"}, "", type_version=self.datatype.version)

    def save_follows(self, follows: list[str], user: str = "") -> None:
        """Store which instances this one is synced with, by their data UUIDs."""
        self._update({"Action": "sync"}, user, follows=follows)

    def _update(self, entry: dict[str, Any], user: str, **changes: Any) -> None:
        context = self._context
        with context.repos.lock:
            record = msgspec.structs.replace(self.record, **changes)
            context.repos.write([{**entry, "Dataname": record.name}], instances=(record,), user=user)

    # -- reading and writing

    def number_of(self, version: VersionRecord) -> int:
        """Return the id of the version whose data a version has: its own, or the root's in an unversioned instance."""
        return version.id if self.record.versioned else self._context.repo.dag.root.id

    def view(self, version: VersionRecord) -> View:
        """Return one state of the data as a version sees it; close it after use."""
        context = self._context
        stands = self._standpoints.get(version.id)
        if stands is None or stands[0] != context.repos.changes:
            stands = self._standpoint(version)
        snapshot, instance, epoch = context.log.snapshot(context.record.id, stands[1].members)
        if stands[0] != context.repos.changes:
            try:
                self._check_there(stands[1].version)  # what was there after the snapshot is whole in it
            except BaseException:
                snapshot.close()
                raise
        return View(snapshot, instance, epoch, stands[1])

    def _standpoint(self, version: VersionRecord) -> _Standpoint:
        """Return from where a version sees the data, and until which change of repos that holds; it is remembered."""
        context = self._context
        changes, number = context.repos.changes, self.number_of(version)
        self._check_there(number)
        if len(self._standpoints) >= _STANDPOINTS:
            self._standpoints.clear()
        stands = self._standpoints[version.id] = changes, context.repo.dag.lineage(number)
        return stands

    def _check_there(self, version: int = 0) -> None:
        """Refuse to go on with an instance or a version that was deleted since the request began.

        Raises:
            BadRequest: it was.
        """
        context = self._context
        context.repos.by_id(context.repo.id).instance_by_id(context.record.id)
        if version and version not in context.repo.dag:
            raise BadRequest("the version was deleted")

    def own_values(self, type_key: bytes) -> dict[int, memoryview]:
        """Return the values that versions have themselves of a type key, by version id, whatever their descent."""
        context = self._context
        prefix = keys.data_prefix(context.record.id) + keys.encode_type_key(type_key)
        found: dict[int, memoryview] = {}
        for key, value in context.log.store.scan(prefix, keys.after_prefix(prefix)):
            version, marker = keys.TAIL.unpack(key[len(prefix) :])
            if marker == keys.VALUE:
                found[version] = open_value(key, value)
        self._check_there()
        return found

    def begin(
        self,
        version: VersionRecord,
        *,
        user: str = "",
        app: str = "",
        lift_lock: bool = False,
        durable: bool = True,
        wait: float = WAIT_SECONDS,
    ) -> Txn:
        """Begin a mutation of the data at a version: use it in a `with` statement.

        Args:
            version: the version to change.
            user: who asked for it, for the records.
            app: with which application.
            lift_lock: an administrator may change a committed version.
            durable: whether the unit must survive a power loss before the answer (else: within a second).
            wait: seconds to wait for a commit of the version.

        Raises:
            Locked: the version is committed.
            Unavailable: it is being committed.
        """
        context, number = self._context, self.number_of(version)
        context.repos.gates.enter(number, wait, context.record.id)
        try:
            self._check_there(number)
            if self.record.versioned and not lift_lock and context.repo.dag[number].locked:
                raise Locked(f"version {version.uuid} is committed; make a new version or a branch to go on")
        except BaseException:
            context.repos.gates.leave(number, context.record.id)
            raise
        mutation = Mutation(repo=context.repo.id, instance=context.record.id, version=number, user=user, app=app)
        return self._txn(mutation, durable, lambda: context.repos.gates.leave(number, context.record.id))

    def _txn(self, mutation: Mutation, durable: bool, on_leave: Callable[[], None]) -> Txn:
        context, dag = self._context, self._context.repo.dag
        return Txn(
            context.log,
            mutation,
            codec=CODECS[self.record.compression.partition(":")[0]],
            durable=durable,
            limit=context.mutation_bytes,
            new_mutation_id=context.repo.mutation_ids.take,
            on_leave=on_leave,
            root=dag.root.id,
            lineage=dag.lineage(mutation.version).members,
        )

    # -- following others

    def on_event(self, event: Mutation, leader: Instance, txn: Txn) -> None:
        """Take in a mutation of an instance that this one follows; by default nothing is done.

        It is called for each mutation of a leader, in order, holding `lock`. What is put into `txn` is written with
        this instance's place in the leader's log as one unit, so nothing is taken in twice. If this raises, nothing is
        written; it is called again later, and until then reads of this instance are answered with 503.

        Args:
            event: the mutation; its `version` is the id of the version, its `entries` what was emitted.
            leader: the instance that was changed.
            txn: a transaction on this instance's data at that version, whether it is committed by now or not.
        """

    def check_follows(self, leaders: Sequence[Instance]) -> None:
        """Raise `BadRequest` if its data doesn't go with all that it would follow; by default it always does."""
        del leaders

    def begin_following(self, event: Mutation) -> Txn:
        """Begin what this instance changes for a mutation of one that it follows; the core calls it."""
        context, record = self._context, self.record
        gates, instance = context.repos.gates, record.id
        gates.enter(0, instance=instance)  # not the version's: its commit waits for this
        try:
            self._check_there(event.version)
        except BaseException:
            gates.leave(0, instance)
            raise
        number = event.version if record.versioned else context.repo.dag.root.id
        mutation = Mutation(repo=record.repo, instance=record.id, version=number, user=event.user, app=event.app)
        mutation.internal, mutation.through = True, [*event.through, event.instance]
        return self._txn(mutation, False, lambda: gates.leave(0, instance))

    def mutations(self, version: VersionRecord) -> list[Mutation]:
        """Return the mutation records of exactly one version, in order, internal ones included."""
        named = self._context.log.named(self._context.record.id, self.number_of(version))
        return [_numbered(number, data) for number, data in named]

    def latest_mutations(self, version: VersionRecord) -> Iterator[Mutation]:
        """Yield the mutation records of exactly one version, the newest first, each read when it is asked for."""
        for number, data in self._context.log.named_backwards(self._context.record.id, self.number_of(version)):
            yield _numbered(number, data)

    def find_mutation(self, mutation_id: int, versions: Sequence[VersionRecord]) -> Mutation | None:
        """Return the logged mutation with an id that was made at one of some versions; None if there is none.

        Those that older servers logged are looked for one by one, the others are named under their ids.
        """
        log, instance = self._context.log, self._context.record.id
        at = [self.number_of(version) for version in versions]
        records = ((number, log.record(number)) for number in log.numbers_of(instance, mutation_id))
        older = (found for version in at for found in log.named_backwards(instance, version, log.first_named(instance)))
        for mutation in (_numbered(*found) for found in chain(records, older)):
            if mutation.mutation_id == mutation_id and mutation.version in at and not mutation.internal:
                return mutation
        return None

    def wire_entries(self, mutation: Mutation) -> list[dict[str, Any]]:
        """Return what a mutation record did as `mutations` shows it: nothing of one that is internal."""
        if mutation.internal:
            return []
        return wire_entries(mutation, self.repo.dag[mutation.version].uuid, self.datatype)

    def on_commit(self, version: VersionRecord) -> None:
        """Do something about a version that was committed; by default nothing.

        It is called by a job, after the answer and at least once, whatever happens in between.
        """

    def on_version_merge(self, version: VersionRecord, parents: Sequence[VersionRecord]) -> None:
        """Make what is derived from the data right at a new version that merges others; by default nothing.

        It is called by a job, at least once, and `POST merge` waits for it. Until it has returned, requests for the
        data of this instance at that version are answered with 503.
        """

    def check_version_merge(self, parents: Sequence[VersionRecord]) -> None:
        """Refuse a merge of versions that the data of this instance could not follow; by default none.

        Raises:
            Conflict: this instance could not.
        """
        del parents

    # -- work in the background

    def jobs(self) -> Mapping[str, Work]:
        """Return the work that the type does in the background, by the kind of job; by default none."""
        return {}

    def start_job(
        self,
        kind: str,
        arguments: Mapping[str, Any] | None = None,
        *,
        version: VersionRecord | None = None,
        user: str = "",
        app: str = "",
        txn: Txn | None = None,
    ) -> JobRecord:
        """Start a job; when this returns it survives a restart.

        Args:
            kind: one of the kinds of `jobs`.
            arguments: what its work is told: texts, numbers, truth values, and lists and dictionaries of them.
            version: the version that it is about.
            user: who asked for it.
            app: with which application.
            txn: a transaction on this instance that starts the job, in its one unit.

        Raises:
            Unavailable: too many jobs wait.
        """
        record, number = self.record, 0 if version is None else version.id
        place = {"repo": record.repo, "instance": record.id, "version": number}
        return self._context.instances.jobs.start(kind, arguments or {}, **place, user=user, app=app, txn=txn)

    def check(self, version: VersionRecord) -> Iterable[str]:
        """Yield a sentence for each thing that is wrong with the data at a version; `dvid fsck` calls it offline."""
        del version
        return ()

    def close(self) -> None:
        """Release what the instance holds; the server is stopping."""


def _numbered(number: int, data: bytes) -> Mutation:
    return msgspec.structs.replace(msgspec.msgpack.decode(data, type=Mutation), number=number)

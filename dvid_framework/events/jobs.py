"""Jobs: durable, resumable, cancellable, bounded work in the background, on a few threads of their own.

A job is a record in the store of the data that it works on. Its work is a generator; at each step that it yields its
place is saved, and there it may be cancelled or stopped. Killed, it goes on from the last step after a restart.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from typing import Any

import msgspec
import structlog

from dvid_framework.errors import BadRequest, DvidError, NotFound, NotInstalled, Unavailable
from dvid_framework.events.job_records import JobRecords
from dvid_framework.events.upgrades import marks_upgrade
from dvid_framework.instances.jobs import Job, JobRecord, Step, Work
from dvid_framework.instances.registry import Instances
from dvid_framework.storage.batch import Batch
from dvid_framework.storage.stores import Stores
from dvid_framework.versions.ids import new_uuid, now_rfc3339
from dvid_framework.versions.record import VersionRecord
from dvid_framework.versions.repos import Repos
from dvid_framework.versions.txn import Txn

__all__ = ["Jobs"]

_log = structlog.get_logger("dvid.jobs")
_MOST_ATTEMPTS = 5
_LONGEST_PAUSE = 60.0
_STOP_SECONDS = 20.0
_REST_SECONDS = 0.5


class Jobs:
    """The jobs of a server. Jobs of one kind and one instance run one after the other.

    Args:
        stores: all stores; a job's record is in that of its instance, the core's own are in that of the metadata.
        repos: all repos.
        instances: the registry, which knows the work of each kind.
        threads: how many jobs run at a time.
        most: how many may be waiting or running.

    Attributes:
        stopping: whether jobs end at their next steps because the server stops.
        must_rest: tells whether jobs rest for a while, at their next steps.
    """

    def __init__(self, stores: Stores, repos: Repos, instances: Instances, threads: int = 2, most: int = 1000) -> None:
        self.must_rest: Callable[[], bool] = lambda: False
        self._repos = repos
        self._instances = instances
        self._most = most
        self._own: dict[str, Work] = {}
        self._records = JobRecords(stores, repos)
        self._changed = threading.Condition()
        self._not_before = {record.id: 0.0 for record in self._records if not record.ended}
        self._active: set[tuple[int, str]] = set()
        self.stopping = False
        self._count = threads
        self._threads: list[threading.Thread] = []
        instances.jobs = self

    def offer(self, kind: str, work: Work) -> None:
        """Say how the core does a kind of job; such a job can't be cancelled, and is never given up."""
        self._own[kind] = work

    # -- life

    def run(self) -> None:
        """Begin to work on what is queued."""
        for number in range(self._count):
            thread = threading.Thread(target=self._work, name=f"jobs-{number}", daemon=True)
            self._threads.append(thread)
            thread.start()

    def stop(self) -> None:
        """End at the next steps; what is unfinished goes on after the next start."""
        with self._changed:
            self.stopping = True
            self._changed.notify_all()
        deadline = time.monotonic() + _STOP_SECONDS
        for thread in self._threads:
            thread.join(max(deadline - time.monotonic(), 0.1))

    # -- what users do

    def __iter__(self) -> Iterator[JobRecord]:
        """Yield all jobs that are kept, the oldest first."""
        return iter(self._records)

    def get(self, number: str) -> JobRecord:
        """Return a job by its id.

        Raises:
            NotFound: there is none.
        """
        record = self._records.get(number)
        if record is None:
            raise NotFound(f"there is no job {number!r}; jobs that ended long ago are forgotten")
        return record

    def prepare(
        self,
        kind: str,
        arguments: Mapping[str, Any],
        *,
        repo: int,
        instance: int = 0,
        version: int = 0,
        user: str = "",
        app: str = "",
        batch: Batch,
        always: bool = False,
    ) -> JobRecord:
        """Add the record of a new job to a batch; call `enqueue` when that is written.

        Args:
            kind: name of the work.
            arguments: what the work is told.
            repo: id of the repo.
            instance: id of the instance; 0 for the core's own work.
            version: id of the version that it is about, if any.
            user: who asked for it.
            app: with which application.
            batch: takes the record; it must be written to the store of the instance, or of the metadata.
            always: whatever waits already.

        Raises:
            Unavailable: too many jobs wait.
        """
        if len(self._not_before) >= self._most and not always:
            raise Unavailable(f"{self._most} jobs are waiting already; ask again when some are done", retry_after=10)
        record = JobRecord(
            id=new_uuid(),
            kind=kind,
            repo=repo,
            instance=instance,
            version=version,
            arguments=dict(arguments),
            user=user,
            app=app,
            created=now_rfc3339(),
        )
        self._records.put(record, batch)
        return record

    def enqueue(self, record: JobRecord) -> None:
        """Queue a job whose record is written."""
        with self._changed:
            self._records.show(record)
            self._not_before[record.id] = 0.0
            self._changed.notify()

    def start(
        self,
        kind: str,
        arguments: Mapping[str, Any],
        *,
        repo: int,
        instance: int,
        version: int = 0,
        user: str = "",
        app: str = "",
        txn: Txn | None = None,
    ) -> JobRecord:
        """Keep a new job durably, and queue it.

        Args:
            kind: name of the work.
            arguments: what the work is told.
            repo: id of the repo.
            instance: id of the instance.
            version: id of the version that it is about, if any.
            user: who asked for it.
            app: with which application.
            txn: a transaction on the instance's data that starts the job, in the one unit.

        Raises:
            Unavailable: too many jobs wait.
        """
        batch = Batch()
        record = self.prepare(
            kind, arguments, repo=repo, instance=instance, version=version, user=user, app=app, batch=batch
        )
        if txn is not None:
            txn.extend(batch)
            txn.after_commit(lambda _: self.enqueue(record))
        else:
            self.write(record, batch)
        return record

    def write(self, record: JobRecord, batch: Batch) -> None:
        """Write the batch of a new job durably, and queue it."""
        store = self._records.log(record).store
        store.write(batch)
        store.sync()
        self.enqueue(record)

    def cancel(self, number: str) -> JobRecord:
        """End a job: at once if it waits, at its next step if it runs. What it has done stays.

        Raises:
            NotFound: there is none.
            BadRequest: it has ended, or is one of the core's, which must come to their end.
        """
        with self._changed:
            record = self.get(number)
            if record.ended:
                raise BadRequest(f"job {number} has ended: it is {record.state}")
            if not record.instance:
                raise BadRequest(f"a job of the kind {record.kind!r} can't be cancelled: it must come to its end")
            if record.state == "running":
                return self._records.save(record, durable=True, cancelled=True)
            return self._end(record, "cancelled")

    def resume(self, number: str) -> JobRecord:
        """Queue a failed or cancelled job again; it goes on from its last step.

        Raises:
            NotFound: there is none.
            BadRequest: it is done, or has not ended.
        """
        with self._changed:
            record = self.get(number)
            if record.state not in ("failed", "cancelled"):
                raise BadRequest(f"job {number} is {record.state}; only failed and cancelled jobs can be resumed")
            changes = {"state": "queued", "ended": "", "cancelled": False, "attempts": 0, "error": ""}
            record = self._records.save(record, durable=True, **changes)
            self._not_before[record.id] = 0.0
            self._changed.notify()
            return record

    # -- the threads

    def _work(self) -> None:
        while (record := self._next()) is not None:
            try:
                record = self._run(record)
            except Exception as error:  # noqa: BLE001 - whatever the work of a datatype raises is named in the record
                self._failed(self.get(record.id), error)
            finally:
                with self._changed:
                    self._active.discard((record.instance, record.kind))
                    self._changed.notify()

    def _next(self) -> JobRecord | None:
        """Wait for the next job that may run now; None at the end."""
        with self._changed:
            while not self.stopping:
                now = time.monotonic()
                for number, not_before in self._not_before.items():
                    record = self.get(number)
                    lane = (record.instance, record.kind)
                    if not_before <= now and lane not in self._active:
                        self._active.add(lane)
                        return record
                soonest = min((at for at in self._not_before.values() if at > now), default=math.inf)
                self._changed.wait(None if soonest == math.inf else soonest - now)
        return None

    def _run(self, record: JobRecord) -> JobRecord:
        """Do a job until it ends, is cancelled, or the server stops."""
        with self._changed:
            record = self.get(record.id)
            if record.ended:  # cancelled a moment ago
                return record
            if record.cancelled:
                return self._end(record, "cancelled")
            record = self._records.save(record, state="running", started=record.started or now_rfc3339())
        work, version = self._find(record)
        with closing(work(Job(record, version, self._keep))) as steps:  # type: ignore[type-var]  # a generator
            for step in steps:
                with self._changed:
                    record = self.get(record.id)
                    cursor, done, total = step
                    if (cursor, done, total) != (record.cursor, record.done, record.total) or record.attempts:
                        changes = {"cursor": cursor, "done": done, "total": total, "attempts": 0, "error": ""}
                        record = self._records.save(record, **changes)
                    self._rest(record.id)
                    record = self.get(record.id)
                    if self.stopping:
                        return self._records.save(record, state="queued")
                    if record.cancelled:
                        return self._end(record, "cancelled")
        with self._changed:
            return self._end(self.get(record.id), "done")

    def _rest(self, number: str) -> None:
        """Wait while others are to go first, unless the job is to end."""
        while self.must_rest() and not self.stopping and not self.get(number).cancelled:
            self._changed.wait(_REST_SECONDS)

    def _find(self, record: JobRecord) -> tuple[Work, VersionRecord | None]:
        """Return the work of a job and the version that it is about.

        Raises:
            BadRequest: nobody knows such work.
        """
        version = self._repos.by_id(record.repo).dag[record.version] if record.version else None
        if not record.instance:
            work = self._own.get(record.kind)
        else:
            instance = self._instances.by_id(record.repo, record.instance)
            work = instance.jobs().get(record.kind)
            work = work and marks_upgrade(instance, record.kind, work)
        if work is None:
            raise BadRequest(f"there is no work of the kind {record.kind!r}")
        return work, version

    def _keep(self, record: JobRecord, txn: Txn, step: Step) -> None:
        """Write the place of a step within a transaction on the same store."""
        cursor, done, total = step
        record = msgspec.structs.replace(
            self.get(record.id), cursor=cursor, done=done, total=total, attempts=0, error=""
        )
        batch = Batch()
        self._records.put(record, batch)
        txn.extend(batch)
        txn.after_commit(lambda _: self._records.show(record))

    def _end(self, record: JobRecord, state: str, error: str = "") -> JobRecord:
        with self._changed:
            self._not_before.pop(record.id, None)
            ended = self._records.save(record, durable=True, state=state, ended=now_rfc3339(), error=error)
            self._records.forget_old()
            return ended

    def _failed(self, record: JobRecord, error: Exception) -> None:
        """Name the error, and try again later where that may help."""
        text = error.message if isinstance(error, DvidError) else f"{type(error).__name__}: {error}"
        attempts = record.attempts + 1
        _log.error("job failed", job=record.id, kind=record.kind, attempt=attempts, error=text, exc_info=error)
        hopeless = attempts > _MOST_ATTEMPTS or (isinstance(error, DvidError) and error.status < 500)
        try:
            with self._changed:
                if (
                    hopeless
                    and (record.instance or isinstance(error, BadRequest))
                    and not isinstance(error, NotInstalled)
                ):
                    self._end(record, "failed", text)
                    return
                pause = math.inf if isinstance(error, NotInstalled) else min(2.0**attempts, _LONGEST_PAUSE)
                self._not_before[record.id] = time.monotonic() + pause
                self._records.save(record, state="queued", attempts=attempts, error=text)
        except DvidError as worse:
            _log.error("the error of a job could not be kept", job=record.id, error=worse.message)
            with self._changed:
                self._records.show(msgspec.structs.replace(record, state="queued", error=text))
                self._not_before[record.id] = time.monotonic() + _LONGEST_PAUSE

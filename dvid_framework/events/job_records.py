"""The stored records of jobs, each in the store of the data that its job works on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from dvid_framework.errors import CorruptValue
from dvid_framework.instances.jobs import JobRecord
from dvid_framework.storage import keys
from dvid_framework.storage.batch import Batch
from dvid_framework.storage.envelope import open_value, seal_value
from dvid_framework.storage.log import CommitLog
from dvid_framework.storage.stores import Stores
from dvid_framework.versions.repos import Repos

__all__ = ["JobRecords"]

_MOST_ENDED = 1000
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(JobRecord).decode


def _key(record: JobRecord) -> bytes:
    return keys.job_key(record.id)


class JobRecords:
    """All jobs that are kept, in memory and in the stores; of those that ended the last thousand."""

    def __init__(self, stores: Stores, repos: Repos) -> None:
        self._stores = stores
        self._repos = repos
        self._records: dict[str, JobRecord] = {}
        self._logs: dict[str, CommitLog] = {}
        found = []
        for alias in stores.aliases():
            log = stores.log(alias)
            for key, sealed in log.store.scan(*keys.job_bounds()):
                try:
                    record = _decode(open_value(key, sealed))
                except msgspec.MsgspecError as error:
                    raise CorruptValue(f"the record of the job {key.hex()} is damaged: {error}") from error
                record.state = "queued" if record.state == "running" else record.state
                found.append(record)
                self._logs[record.id] = log
        self._records = {record.id: record for record in sorted(found, key=lambda record: record.created)}

    def __iter__(self) -> Iterator[JobRecord]:
        return iter(list(self._records.values()))

    def get(self, number: str) -> JobRecord | None:
        """Return a job by its id, or None."""
        return self._records.get(number)

    def log(self, record: JobRecord) -> CommitLog:
        """Return the commit log of the store that holds a record: that of the instance, or of the metadata."""
        log = self._logs.get(record.id)
        if log is None:
            log = self._repos.log
            repo = self._repos.former(record.repo)
            instance = repo.former_instance(record.instance) if repo else None
            if instance is not None:
                log = self._stores.log(instance.store)
            self._logs[record.id] = log
        return log

    @staticmethod
    def put(record: JobRecord, batch: Batch) -> None:
        """Add a record to a batch."""
        key = _key(record)
        batch.put(key, seal_value(key, _encode(record)))

    def show(self, record: JobRecord) -> None:
        """Take in a record that is written."""
        self._records[record.id] = record

    def save(self, record: JobRecord, *, durable: bool = False, **changes: Any) -> JobRecord:
        """Write a changed record, and return it; the place of one that is not durable may lag after a power loss."""
        record = msgspec.structs.replace(record, **changes)
        batch, store = Batch(), self.log(record).store
        self.put(record, batch)
        store.write(batch)
        if durable:
            store.sync()
        self.show(record)
        return record

    def forget_old(self) -> None:
        """Remove the oldest of those that ended, past the last thousand."""
        ended = [record for record in self._records.values() if record.ended]
        for record in ended[: max(len(ended) - _MOST_ENDED, 0)]:
            self.remove(record)

    def remove(self, record: JobRecord) -> None:
        """Forget a job."""
        batch = Batch()
        batch.delete(_key(record))
        self.log(record).store.write(batch)
        self._records.pop(record.id, None)
        self._logs.pop(record.id, None)

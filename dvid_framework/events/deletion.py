"""Deleting: the unit that hides something, and the job that frees its space afterwards, whatever happens in between."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

from dvid_framework.events.jobs import Jobs
from dvid_framework.events.syncs import Syncs
from dvid_framework.instances.jobs import Job, JobRecord, Step
from dvid_framework.instances.registry import Instances
from dvid_framework.storage import keys
from dvid_framework.storage.base import Store
from dvid_framework.storage.batch import Batch
from dvid_framework.storage.stores import Stores
from dvid_framework.versions.removal import Prepare, Removed
from dvid_framework.versions.repo import Repo

__all__ = ["DELETE", "Deletion"]

DELETE = "delete"
"""The kind of job that removes the data of what was deleted."""
_BATCH = 2000


class Deletion:
    """Deletes by a job of the core, which can't be cancelled and is not given up.

    Args:
        stores: all stores.
        instances: the registry.
        jobs: the service's jobs.
        syncs: the followers, which follow nothing that is gone.
    """

    def __init__(self, stores: Stores, instances: Instances, jobs: Jobs, syncs: Syncs) -> None:
        self._stores = stores
        self._instances = instances
        self._jobs = jobs
        self._syncs = syncs
        jobs.offer(DELETE, self._remove)

    def delete(self, repo: Repo, what: str, deletion: Callable[[Prepare], Removed], user: str = "") -> JobRecord:
        """Delete something, and return the job that frees its space.

        Args:
            repo: the repo.
            what: the name of what is deleted, for whoever looks at the job.
            deletion: does it, with what is given to it added to its unit.
            user: who asked for it.

        Raises:
            BadRequest: it is refused.
            Unavailable: too many jobs wait, or mutations in flight did not end in time.
        """
        prepared: list[JobRecord] = []

        def prepare(removed: Removed, batch: Batch) -> None:
            arguments: dict[str, Any] = {
                "what": what,
                "instances": [list(instance) for instance in removed.instances],
                "versions": removed.versions,
            }
            prepared.append(self._jobs.prepare(DELETE, arguments, repo=repo.id, user=user, batch=batch))

        removed = deletion(prepare)
        if not removed.versions:
            for number, _ in removed.instances:
                self._syncs.forget(number)
                self._instances.retire(number)
        self._jobs.enqueue(prepared[0])
        return prepared[0]

    def _remove(self, job: Job) -> Iterator[Step]:
        """Remove the data, instance by instance; the cursor is the instance's place in the list, and a key."""
        instances, versions = job.arguments["instances"], frozenset(job.arguments["versions"])
        place, after = job.cursor or (0, b"")
        for position, (number, alias) in enumerate(instances[place:], place):
            store = self._stores.log(alias).store
            for last in _remove_data(store, number, versions, after):
                store.sync()  # the cursor may be in another store, and must not be ahead of what is gone
                yield Step((position, last), position, len(instances))
            after = b""
            yield Step((position + 1, b""), position + 1, len(instances))


def _remove_data(store: Store, instance: int, versions: frozenset[int], after: bytes) -> Iterator[bytes]:
    """Remove the data of an instance, at some versions or at all, from behind a key on; yields the last key looked at.

    Several thousand keys are one step.
    """
    start, stop = keys.instance_bounds(instance)
    found = store.scan_keys(after + b"\x00" if after else start, stop)
    while page := list(islice(found, _BATCH)):
        batch = Batch()
        for key in page:
            if not versions or keys.TAIL.unpack(key[-keys.TAIL.size :])[0] in versions:
                batch.delete(key)
        if len(batch):
            store.write(batch)
        yield page[-1]

"""Upgrades: instances that an earlier version of their datatype wrote are brought up by a job, once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dvid_framework.instances.instance import Instance
from dvid_framework.storage.batch import Batch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dvid_framework.events.jobs import Jobs
    from dvid_framework.instances.jobs import Job, Step, Work
    from dvid_framework.instances.registry import Instances
    from dvid_framework.versions.record import InstanceRecord
    from dvid_framework.versions.repos import Repos

__all__ = ["marks_upgrade", "start_upgrades"]


def start_upgrades(jobs: Jobs, repos: Repos, instances: Instances) -> None:
    """Start or resume the upgrade of each instance that needs one; no instance is opened for it."""
    known = {(record.instance, record.kind): record for record in jobs}
    for repo in repos:
        for record in list(repo.instances.values()):
            kind = _kind(instances, record)
            if kind is None:
                continue
            job = known.get((record.id, kind))
            if job is None or job.state == "done":
                batch = Batch()
                job = jobs.prepare(kind, {}, repo=repo.id, instance=record.id, batch=batch, always=True)
                jobs.write(job, batch)
            elif job.ended:
                jobs.resume(job.id)


def _kind(instances: Instances, record: InstanceRecord) -> str | None:
    datatype = instances.datatypes.get(record.type_name)
    if datatype is None or datatype.version == record.type_version:
        return None
    return datatype.upgrade(record.type_version)


def marks_upgrade(instance: Instance, kind: str, work: Work) -> Work:
    """Return the work of a job that, if it is an upgrade, notes at its end that the instance is upgraded."""
    if instance.datatype.upgrade(instance.record.type_version) != kind:
        return work

    def upgrade(job: Job) -> Iterator[Step]:
        yield from work(job)
        instance.mark_upgraded()

    return upgrade

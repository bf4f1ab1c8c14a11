"""What instances do when a version is committed or made by a merge: jobs that begin in the unit of that change."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from dvid_framework.errors import Unavailable
from dvid_framework.events.jobs import Jobs
from dvid_framework.instances.instance import Instance
from dvid_framework.instances.jobs import Job, Step
from dvid_framework.instances.registry import Instances
from dvid_framework.storage.batch import Batch
from dvid_framework.versions.record import VersionRecord
from dvid_framework.versions.repo import Repo
from dvid_framework.versions.repos import Repos

__all__ = ["COMMIT", "MERGE", "VersionHooks"]

COMMIT, MERGE = "commit", "merge"
"""The kinds of job that call `Instance.on_commit` and `Instance.on_version_merge`."""
_KINDS = {"commit": COMMIT, "merge": MERGE, "resolve": MERGE}


class VersionHooks:
    """Calls the hooks of the instances that have them, by jobs of the core, so that a kill loses none.

    Args:
        repos: all repos.
        instances: the registry.
        jobs: the service's jobs.
    """

    def __init__(self, repos: Repos, instances: Instances, jobs: Jobs) -> None:
        self._repos = repos
        self._instances = instances
        self._jobs = jobs
        repos.join_unit = self.join_unit
        jobs.offer(COMMIT, self._call)
        jobs.offer(MERGE, self._call)
        # (instance, version) pairs that are not ready: their hook for a merge has not returned
        self._unready = {
            (number, job.version)
            for job in jobs
            if job.kind == MERGE and not job.ended
            for number in job.arguments["instances"]
        }

    def join_unit(
        self, entries: Sequence[Mapping[str, Any]], versions: Sequence[VersionRecord], batch: Batch, user: str
    ) -> Callable[[bool], None] | None:
        """Add to the unit of a commit or merge what will call the hooks; see `Repos.join_unit`."""
        kind = _KINDS.get(entries[0]["Action"])
        if kind is None or not versions:
            return None
        version = versions[-1]
        records = list(self._repos.by_id(version.repo).instances.values())
        wanted = [record.id for record in records if self._has_hook(kind, record.type_name)]
        if not wanted:
            return None
        job = self._jobs.prepare(
            kind, {"instances": wanted}, repo=version.repo, version=version.id, user=user, batch=batch, always=True
        )
        pairs = {(number, version.id) for number in wanted} if kind == MERGE else set()
        self._unready |= pairs

        def written(there: bool) -> None:
            if there:
                self._jobs.enqueue(job)
            else:
                self._unready -= pairs

        return written

    def is_ready(self, version: int, instance: int = 0) -> bool:
        """Tell whether the hooks for a merge have returned, those of one instance or of all."""
        if not self._unready:
            return True
        return not any(number == version and instance in (0, other) for other, number in list(self._unready))

    def check_ready(self, version: int, instance: int = 0) -> None:
        """Refuse to use an instance at a merge before its hook has returned.

        Raises:
            Unavailable: it has not.
        """
        if not self.is_ready(version, instance):
            raise Unavailable("an instance is being made ready for this merge of versions; GET /api/jobs tells more")

    def _has_hook(self, kind: str, type_name: str) -> bool:
        datatype = self._instances.datatypes.get(type_name)
        if datatype is None:
            return False
        if kind == COMMIT:
            return datatype.instance.on_commit is not Instance.on_commit
        return datatype.instance.on_version_merge is not Instance.on_version_merge

    def _call(self, job: Job) -> Iterator[Step]:
        """Call the hook of each instance; the cursor is how many have returned."""
        wanted, version = job.arguments["instances"], job.version
        assert version is not None
        repo = self._repos.by_id(version.repo)
        for done, number in enumerate(wanted[job.cursor or 0 :], job.cursor or 0):
            if repo.find_instance(number) is not None:
                self._call_one(job, self._instances.by_id(repo.id, number), repo, version)
            self._unready.discard((number, version.id))
            yield Step(done + 1, done + 1, len(wanted))

    @staticmethod
    def _call_one(job: Job, instance: Instance, repo: Repo, version: VersionRecord) -> None:
        if job.kind == COMMIT:
            instance.on_commit(version)
        else:
            instance.on_version_merge(version, [repo.dag[parent] for parent in version.parents])

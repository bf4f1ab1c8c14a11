"""One repo in memory: its record, its versions, the records of its instances, and its mutation ids."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from dvid_framework.errors import BadRequest
from dvid_framework.versions.dag import Dag
from dvid_framework.versions.mutation_ids import MutationIds
from dvid_framework.versions.record import InstanceRecord, RepoRecord, VersionRecord

__all__ = ["Repo"]


@dataclass(slots=True)
class Repo:
    """A repo.

    Attributes:
        record: what is stored of the repo itself.
        dag: its versions.
        instances: the records of its data instances by name.
        mutation_ids: the counter of its mutation ids.
        gone_versions: those that were deleted, by id; the mutation log may still name them.
        gone_instances: likewise.
    """

    record: RepoRecord
    dag: Dag
    mutation_ids: MutationIds
    instances: dict[str, InstanceRecord] = field(default_factory=dict)
    gone_versions: dict[int, VersionRecord] = field(default_factory=dict)
    gone_instances: dict[int, InstanceRecord] = field(default_factory=dict)
    _by_id: dict[int, InstanceRecord] = field(default_factory=dict)

    @property
    def id(self) -> int:
        """The local id."""
        return self.record.id

    @property
    def root(self) -> str:
        """UUID of the root version."""
        return self.record.root

    def instance(self, name: str) -> InstanceRecord:
        """Return the record of an instance.

        Raises:
            BadRequest: there is no instance of that name in the repo.
        """
        record = self.instances.get(name)
        if record is None:
            raise BadRequest(
                f"invalid data instance name {name!r}: the repo with root {self.root} has no such instance"
            )
        return record

    def find_instance(self, number: int) -> InstanceRecord | None:
        """Return the record of an instance by its id, or None."""
        return self._by_id.get(number)

    def instance_by_id(self, number: int) -> InstanceRecord:
        """Return the record of an instance by its id.

        Raises:
            BadRequest: there is none any more.
        """
        record = self._by_id.get(number)
        if record is None:
            raise BadRequest(f"the instance {number} of the repo with root {self.root} is gone")
        return record

    def show_instance(self, record: InstanceRecord) -> None:
        """Take in a new, changed or deleted record."""
        before = self._by_id.get(record.id)
        if record.deleted:
            self.gone_instances[record.id] = record
            if self._by_id.pop(record.id, None) is not None:
                self.instances.pop(record.name, None)
            return
        self._by_id[record.id] = record
        self.instances[record.name] = record
        if before is not None and before.name != record.name:
            self.instances.pop(before.name, None)

    def show_versions(self, changed: Sequence[VersionRecord]) -> None:
        """Take in changed or deleted records of several versions, all at once."""
        records = {version.id: version for version in self.dag} | {version.id: version for version in changed}
        self.gone_versions |= {number: version for number, version in records.items() if version.deleted}
        self.dag = Dag(version for version in records.values() if not version.deleted)

    def former_version(self, number: int) -> VersionRecord | None:
        """Return a version by its id, also one that was deleted; None for none."""
        return self.dag[number] if number in self.dag else self.gone_versions.get(number)

    def former_instance(self, number: int) -> InstanceRecord | None:
        """Return the record of an instance by its id, also of one that was deleted; None for none."""
        return self._by_id.get(number) or self.gone_instances.get(number)

    def select(self, selector: str) -> VersionRecord:
        """Return the version that a branch selector names in this repo.

        Args:
            selector: what stands behind the colon: a branch (or nothing for master), and `~N` for N steps back.

        Raises:
            BadRequest: there is no such branch, or fewer steps to the root than asked for.
        """
        branch, tilde, steps = selector.partition("~")
        head = self.dag.head(branch or "master")
        if not tilde:
            return head
        if not steps.isascii() or not steps.isdigit():
            raise BadRequest(f"{selector!r}: after ~ comes a number of steps towards the root")
        walk = self.dag.branch_versions(branch or "master")
        if int(steps[:9]) >= len(walk) or len(steps) > 9:
            raise BadRequest(f"{selector!r}: the branch has only {len(walk) - 1} versions before its newest one")
        return walk[int(steps)]

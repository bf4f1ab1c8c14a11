"""The DAG of a repo's versions: pure, in memory; nothing is stored here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from dvid_framework.errors import BadRequest
from dvid_framework.versions.record import VersionRecord
from dvid_framework.versions.resolve import Lineage

__all__ = ["MASTER", "Dag"]

MASTER = "master"
_LINEAGES = 256  # kept at once; one holds an id for each ancestor


class Dag:
    """The versions of one repo by id. A child's id is larger than its parents'."""

    def __init__(self, versions: Iterable[VersionRecord]) -> None:
        self._versions: dict[int, VersionRecord] = {}
        self._children: dict[int, list[int]] = {}
        self._heads: dict[str, int] = {}  # the youngest version of a branch: a child in it would be younger
        self._lineages: dict[int, Lineage] = {}
        for version in sorted(versions, key=lambda version: version.id):
            self.add(version)

    def add(self, version: VersionRecord) -> None:
        """Add a version whose parents are here already. In this order, for others read meanwhile."""
        self._children[version.id] = []
        self._versions[version.id] = version
        for parent in version.parents:
            self._children[parent].append(version.id)
        self._heads[version.branch] = version.id

    def replace(self, version: VersionRecord) -> None:
        """Put a changed record in place of the one with its id; parents never change."""
        old = self._versions[version.id].branch
        self._versions[version.id] = version
        if version.branch != old:
            self._heads[version.branch] = max(self._heads.get(version.branch, 0), version.id)
            if self._heads.get(old) == version.id:
                others = [other.id for other in self if other.branch == old]
                if others:
                    self._heads[old] = max(others)
                else:
                    del self._heads[old]

    def __getitem__(self, number: int) -> VersionRecord:
        version = self._versions.get(number)
        if version is None:
            raise BadRequest(f"the version with the local id {number} is gone")
        return version

    def __contains__(self, number: int) -> bool:
        return number in self._versions

    def __iter__(self) -> Iterator[VersionRecord]:
        """Yield the versions, the oldest first."""
        return iter(list(self._versions.values()))

    def __len__(self) -> int:
        return len(self._versions)

    @property
    def root(self) -> VersionRecord:
        """The first version."""
        return next(iter(self._versions.values()))

    def children(self, number: int) -> list[int]:
        """Return the ids of a version's children in the order of their creation."""
        return self._children[number]

    def parents(self, number: int) -> Sequence[int]:
        """Return the ids of a version's parents in order."""
        return self[number].parents

    def lineage(self, number: int) -> Lineage:
        """Return a version with all its ancestors."""
        lineage = self._lineages.get(number)
        if lineage is None:
            lineage = Lineage(number, self.parents)
            if len(self._lineages) >= _LINEAGES:
                self._lineages.pop(next(iter(self._lineages)), None)
            self._lineages[number] = lineage
        return lineage

    def branches(self) -> set[str]:
        """Return the names of all branches; master's is the empty name."""
        return set(self._heads)

    def branch_child(self, number: int, branch: str) -> int | None:
        """Return the child of a version on the given branch, or None."""
        for child in self._children[number]:
            if self._versions[child].branch == branch:
                return child
        return None

    def head(self, name: str) -> VersionRecord:
        """Return the newest version of a branch: the one without a child in the same branch.

        Raises:
            BadRequest: there is no such branch.
        """
        branch = "" if name == MASTER else name
        number = self._heads.get(branch)
        if number is None:
            raise BadRequest(f"there is no branch {name!r} in this repo")
        return self._versions[number]

    def branch_versions(self, name: str) -> list[VersionRecord]:
        """Return a branch from its newest version to the root of the repo; none for an unknown branch.

        At a version with several parents all but the last are listed, and the walk goes on from the last.

        Raises:
            BadRequest: a version of the walk has two children on the branch.
        """
        branch = "" if name == MASTER else name
        if branch not in self.branches():
            return []
        version = self.head(name)
        found = [version]
        while version.parents:
            above = [self._versions[parent] for parent in version.parents]
            found.extend(above)
            version = above[-1]
        for version in found:
            on_branch = [child for child in self._children[version.id] if self._versions[child].branch == branch]
            if len(on_branch) > 1:
                raise BadRequest(f"version {version.uuid} has several children on branch {name!r}")
        return found

    def first_parents(self, number: int) -> list[VersionRecord]:
        """Return a version and its ancestors along first parents, to the root."""
        found = [self._versions[number]]
        while found[-1].parents:
            found.append(self._versions[found[-1].parents[0]])
        return found

    def common_ancestors(self, numbers: Sequence[int]) -> frozenset[int]:
        """Return the ids of all versions that are an ancestor of, or the same as, each of the given ones."""
        common = self.lineage(numbers[0]).members
        for number in numbers[1:]:
            common &= self.lineage(number).members
        return common

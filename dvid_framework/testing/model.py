"""A dictionary model of versioned key-values: what every read of the real core must give.

The visible value is found by `visible`, a plain transcription of the rule for reads through merges, written without
any look at `dvid_framework.versions.resolve`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

__all__ = ["CONFLICT", "Conflicting", "ModelVersion", "VersionedModel", "visible"]


class Conflicting:
    """The type of `CONFLICT`."""

    def __repr__(self) -> str:
        return "CONFLICT"


CONFLICT = Conflicting()
"""What a key reads as on which merged branches disagree."""


def visible(node: int, records: Mapping[int, bytes | None], parents: Mapping[int, Sequence[int]]) -> set[int]:
    """Return the nodes whose value may be the answer of a read.

    Args:
        node: where the read happens.
        records: by node what was written there: a value, or None for a tombstone.
        parents: the parents of each node, in order.

    Returns:
        No node: absent. One: its value. More: a conflict.
    """
    shadowed: set[int] = set()

    def shadow(node: int) -> None:
        for parent in parents[node]:
            if parent in records:
                if parent in shadowed:
                    continue
                shadowed.add(parent)
            shadow(parent)

    def walk(node: int) -> set[int]:
        if node in records:
            if node in shadowed:
                return set()
            shadow(node)
            return set() if records[node] is None else {node}
        if len(parents[node]) < 2:
            return walk(parents[node][0]) if parents[node] else set()
        found: set[int] = set()
        for parent in parents[node]:
            found |= walk(parent)
        return found - shadowed

    return walk(node)


@dataclass(slots=True)
class ModelVersion:
    """A version of the model.

    Attributes:
        uuid: its UUID in the real core.
        branch: its branch; the empty name is master.
        locked: whether it is committed.
    """

    uuid: str
    branch: str = ""
    locked: bool = False


@dataclass(slots=True)
class VersionedModel:
    """The DAG of one repo and the data of its instances; nodes are numbered from 0, the root.

    Attributes:
        versions: by node.
        parents: by node, in order.
        data: by instance and key, what was written at which node.
        unversioned: names of the instances whose data is the root's at every node.
    """

    versions: list[ModelVersion]
    parents: dict[int, list[int]] = field(default_factory=lambda: {0: []})
    data: dict[str, dict[bytes, dict[int, bytes | None]]] = field(default_factory=dict)
    unversioned: set[str] = field(default_factory=set)

    # -- the DAG

    def nodes(self, locked: bool) -> list[int]:
        """Return the committed, or the open, nodes."""
        return [node for node, version in enumerate(self.versions) if version.locked == locked]

    def add(self, version: ModelVersion, parents: Sequence[int]) -> int:
        """Add a version; returns its node."""
        self.versions.append(version)
        node = len(self.versions) - 1
        self.parents[node] = list(parents)
        return node

    def children(self, node: int) -> list[int]:
        """Return the children of a node in the order of creation."""
        return [child for child, parents in self.parents.items() if node in parents]

    def has_child_on_own_branch(self, node: int) -> bool:
        """Tell whether `newversion` of the node must be refused."""
        return any(self.versions[child].branch == self.versions[node].branch for child in self.children(node))

    def branches(self) -> set[str]:
        """Return the names of all branches."""
        return {version.branch for version in self.versions}

    # -- data

    def write(self, instance: str, node: int, changes: Iterable[tuple[bytes, bytes | None]]) -> None:
        """Put keys, or delete them where the value is None, at a node."""
        at = 0 if instance in self.unversioned else node
        for key, value in changes:
            self.data.setdefault(instance, {}).setdefault(key, {})[at] = value

    def visible(self, instance: str, node: int, key: bytes) -> set[int]:
        """Return the nodes whose value a read may see."""
        records = self.data.get(instance, {}).get(key)
        if not records:
            return set()
        return visible(0 if instance in self.unversioned else node, records, self.parents)

    def get(self, instance: str, node: int, key: bytes) -> bytes | Conflicting | None:
        """Return what a key reads as: a value, None, or `CONFLICT`."""
        found = self.visible(instance, node, key)
        if len(found) > 1:
            return CONFLICT
        return self.data[instance][key][found.pop()] if found else None

    def read_all(self, instance: str, node: int) -> dict[bytes, bytes | Conflicting]:
        """Return all keys that have a value or a conflict at a node, in byte order."""
        found = ((key, self.get(instance, node, key)) for key in sorted(self.data.get(instance, {})))
        return {key: value for key, value in found if value is not None}

    def conflicts(self, instance: str, node: int) -> list[bytes]:
        """Return the keys that conflict at a node, in byte order."""
        return [key for key, value in self.read_all(instance, node).items() if isinstance(value, Conflicting)]

    # -- merging with a priority

    def resolve(self, instances: Sequence[str], node: int) -> None:
        """Settle each conflict of a new merge node in favour of the first parent that sees a contending value."""
        for instance in instances:
            for key in self.conflicts(instance, node):
                records = self.data[instance][key]
                winner = self._winner(instance, key, self.parents[node], self.visible(instance, node, key))
                records[node] = records[winner]

    def _winner(self, instance: str, key: bytes, parents: Sequence[int], contending: set[int]) -> int:
        for parent in parents:
            seen = self.visible(instance, parent, key) & contending
            if len(seen) == 1:
                return seen.pop()
            if seen:  # an earlier merge left it open: its own parents decide, in order
                return self._winner(instance, key, self.parents[parent], seen)
        raise AssertionError("a contending value that no parent sees")

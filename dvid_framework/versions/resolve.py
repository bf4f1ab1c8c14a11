"""The visible-value rule: which version's record a read at a version sees. Pure functions over parents.

A key has records in a set R of versions: a value or a tombstone. The rule, for a read at v:

1. v in R: that record; all ancestors of v that are in R become *shadowed* for this read.
2. else one parent: read there; no parent: absent.
3. else (a merge): read along each parent with one set of shadowed versions; drop what became shadowed. Nothing left:
   absent; one version: its value; more: a conflict.

So one side's change or deletion beats the ancestor that the other side still sees, and changes on both sides conflict.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

__all__ = ["Lineage", "visible_versions"]

Parents = Callable[[int], Sequence[int]]


def _shadow(start: int, records: Collection[int], parents: Parents, shadowed: set[int]) -> None:
    """Add all ancestors of start that have a record; an ancestor found before has had its own done."""
    todo, seen = list(parents(start)), set()
    while todo:
        version = todo.pop()
        if version in seen:
            continue
        seen.add(version)
        if version in records:
            if version in shadowed:
                continue
            shadowed.add(version)
        todo.extend(parents(version))


def visible_versions(start: int, records: Mapping[int, bool], parents: Parents) -> set[int]:
    """Return the versions whose value a read at start may see.

    Args:
        start: the version that reads.
        records: for each version that has a record of the key, whether it is a value (True) or a tombstone.
        parents: the parents of a version, in order.

    Returns:
        No version: absent. One: its value is the answer. Several: they conflict.
    """
    shadowed: set[int] = set()
    merges: dict[int, set[int]] = {}  # what each merge gave: met again, it gives the same less what is shadowed by now

    def descend(version: int) -> tuple[int, set[int] | None]:
        """Go up to a record or an end, and give what is seen there; or to a merge not met before, and give None."""
        while version not in records:
            above = parents(version)
            if len(above) > 1:
                return version, merges[version] - shadowed if version in merges else None
            if not above:
                return version, set()
            version = above[0]
        if version in shadowed:
            return version, set()
        _shadow(version, records, parents, shadowed)
        return version, {version} if records[version] else set()

    version, found = descend(start)
    if found is not None:
        return found
    open_merges: list[tuple[int, int, set[int]]] = [(version, 0, set())]  # merge, parents done, found
    while True:
        merge, done, gathered = open_merges.pop()
        above = parents(merge)
        if done < len(above):
            version, found = descend(above[done])
            open_merges.append((merge, done + 1, gathered | (found or set())))
            if found is None:
                open_merges.append((version, 0, set()))
            continue
        merges[merge] = gathered - shadowed
        if not open_merges:
            return merges[merge]
        outer, done, gathered = open_merges.pop()
        open_merges.append((outer, done, gathered | merges[merge]))


class Lineage:
    """A version with all its ancestors, made once and asked for every key that is read.

    Attributes:
        linear: no ancestor-or-self has several parents, so the youngest record is the visible one. A child's id is
            larger than its parents', so youngest means largest id.
        members: the ids of the version and all its ancestors.
    """

    __slots__ = ("_parents", "linear", "members", "version")

    def __init__(self, version: int, parents: Parents) -> None:
        self.version = version
        self._parents = parents
        members, todo, linear = {version}, [version], True
        while todo:
            above = parents(todo.pop())
            linear = linear and len(above) < 2
            todo.extend(parent for parent in above if parent not in members)
            members.update(above)
        self.members = frozenset(members)
        self.linear = linear

    def resolve(self, records: Mapping[int, bool]) -> set[int]:
        """Return the versions whose value a read here may see; see `visible_versions`."""
        mine = {version: is_value for version, is_value in records.items() if version in self.members}
        if len(mine) == 1 or (self.linear and mine):
            youngest = max(mine)
            return {youngest} if mine[youngest] else set()
        return visible_versions(self.version, mine, self._parents) if mine else set()

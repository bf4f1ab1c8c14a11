"""The extents of a versioned volume: each version keeps its own, and shows them together with its ancestors'."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from dvid_voxels.geometry import Box, Triple

__all__ = ["Extents", "extents_at"]


@dataclass(frozen=True, slots=True)
class Extents:
    """The extents that one version has of its own.

    Attributes:
        min_point: first voxel (x, y, z).
        max_point: last voxel (x, y, z).
        is_set: they were set, so those of ancestors don't count any more.
    """

    min_point: tuple[int, int, int]
    max_point: tuple[int, int, int]
    is_set: bool = False

    def grown(self, other: "Extents") -> "Extents":
        """Return the smallest extents around both."""
        return Extents(
            _each(min, self.min_point, other.min_point), _each(max, self.max_point, other.max_point), self.is_set
        )

    @classmethod
    def of(cls, box: Box) -> "Extents":
        """Return the extents of a box of voxels."""
        return cls(box.offset, box.last)


def _each(choose: Callable[[int, int], int], one: Triple, other: Triple) -> Triple:
    x, y, z = (choose(a, b) for a, b in zip(one, other, strict=True))
    return x, y, z


def extents_at(version: int, own: Mapping[int, Extents], parents: Callable[[int], Sequence[int]]) -> Extents | None:
    """Return the extents that a version shows: its own and its ancestors', up to where they were set.

    Args:
        version: id of the version.
        own: extents by version id.
        parents: ids of a version's parents.
    """
    shown: Extents | None = None
    todo, seen = [version], {version}
    while todo:
        number = todo.pop()
        found = own.get(number)
        if found is not None:
            shown = found if shown is None else shown.grown(found)
            if found.is_set:
                continue
        above = [parent for parent in parents(number) if parent not in seen]
        seen.update(above)
        todo.extend(above)
    return shown

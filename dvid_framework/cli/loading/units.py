"""The units that a volume is loaded in: boxes of whole blocks, none of them in two units."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from dvid_framework.cli.loading.source import Triple

__all__ = ["Unit", "plan_units"]

_SIDE = 256
_MOST_BYTES = 128 << 20


@dataclass(frozen=True, slots=True)
class Unit:
    """A part of the work; all triples are x, y, z, in voxels of the target.

    Attributes:
        number: which one.
        first: the first voxel, of the first block.
        size: voxels, whole blocks.
        source_first: the first voxel that the source gives.
        source_size: how many it gives.
    """

    number: int
    first: Triple
    size: Triple
    source_first: Triple
    source_size: Triple

    @property
    def is_whole(self) -> bool:
        """Whether the source gives all of it."""
        return (self.first, self.size) == (self.source_first, self.source_size)


def _side(size: Triple, block: Triple, bytes_per_voxel: int, whole_rows: bool) -> Triple:
    """Return how large units are: a multiple of the block along each axis."""
    sides = [-(-_SIDE // side) * side for side in block]
    if whole_rows:
        # an image is read whole: as many of its rows as fit, and as few images as there are in a block
        sides = [(-(-size[0] // block[0]) + 1) * block[0], block[1], block[2]]
        row = sides[0] * block[1] * block[2] * bytes_per_voxel
        sides[1] = max(_MOST_BYTES // row, 1) * block[1]
    for axis in (0, 1, 2):
        while sides[0] * sides[1] * sides[2] * bytes_per_voxel > _MOST_BYTES and sides[axis] > block[axis]:
            sides[axis] = max(sides[axis] // 2 // block[axis], 1) * block[axis]
    return sides[0], sides[1], sides[2]


def plan_units(offset: Triple, size: Triple, block: Triple, bytes_per_voxel: int, whole_rows: bool) -> Iterator[Unit]:
    """Yield the units of a volume, always the same and in the same order, z slowest.

    Args:
        offset: where the first voxel of the source goes.
        size: voxels of the source.
        block: voxels of a block of the target.
        bytes_per_voxel: bytes of a voxel of the target.
        whole_rows: whether the source is read most cheaply in whole rows.
    """
    side = _side(size, block, bytes_per_voxel, whole_rows)
    end = tuple(low + count for low, count in zip(offset, size, strict=True))
    starts = []
    for axis in range(3):
        first = offset[axis] // block[axis] * block[axis]
        starts.append(range(first, end[axis], side[axis]))
    number = 0
    for z in starts[2]:
        for y in starts[1]:
            for x in starts[0]:
                low = (x, y, z)
                last = [
                    -(-min(at + one, top) // of) * of for at, one, top, of in zip(low, side, end, block, strict=True)
                ]
                inner = [max(at, begin) for at, begin in zip(low, offset, strict=True)]
                count = [min(a, b) - c for a, b, c in zip(last, end, inner, strict=True)]
                yield Unit(
                    number,
                    low,
                    (last[0] - x, last[1] - y, last[2] - z),
                    (inner[0], inner[1], inner[2]),
                    (count[0], count[1], count[2]),
                )
                number += 1

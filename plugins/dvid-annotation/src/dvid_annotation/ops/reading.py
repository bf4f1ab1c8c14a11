"""Elements of boxes, of regions and of lists, as JSON in pieces."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from dvid_voxels.regions import blocks_inside

from dvid_annotation.batches import batched
from dvid_annotation.keys import BLOCK, Triple, after, block_coordinates, block_keys
from dvid_annotation.ops.block_lists import name_of_block
from dvid_annotation.stored import Flags, Row, positions_of, text_of
from dvid_framework.api import BadRequest, BlockMask, VersionRecord, View

__all__ = ["Box", "all_blocks", "blocks_in", "elements_in", "elements_in_region", "listed", "scan_counts"]

Piece: TypeAlias = bytes | memoryview
_FEW_ROWS = 256
_AT_ONCE = 128
_LEAST, _MOST = -(1 << 31), (1 << 31) - 1


@dataclass(frozen=True, slots=True)
class Box:
    """Voxels with low <= x, y, z < high."""

    low: Triple
    high: Triple

    def blocks(self, block_size: Triple) -> tuple[Triple, Triple]:
        """Return the first and the last block that it touches; it must hold something."""
        first = [max(a, _LEAST) // size for a, size in zip(self.low, block_size, strict=True)]
        last = [min(b - 1, _MOST) // size for b, size in zip(self.high, block_size, strict=True)]
        return (first[0], first[1], first[2]), (last[0], last[1], last[2])

    @property
    def clipped(self) -> Box:
        """The part of it in which elements can be."""
        low = tuple(max(a, _LEAST) for a in self.low)
        high = tuple(min(b, _MOST + 1) for b in self.high)
        return Box((low[0], low[1], low[2]), (high[0], high[1], high[2]))

    @property
    def holds_nothing(self) -> bool:
        """Whether it has no voxel at which an element can be."""
        box = self.clipped
        return any(a >= b for a, b in zip(box.low, box.high, strict=True))


def _rows(view: View, box: Box, block_size: Triple) -> Iterator[tuple[bytes, memoryview]]:
    """Yield the stored blocks that a box touches, in order of z, y, x."""
    box = box.clipped
    (x0, y0, z0), (x1, y1, z1) = box.blocks(block_size)
    if (y1 - y0 + 1) * (z1 - z0 + 1) <= _FEW_ROWS:
        ends = np.array([(x, y, z) for z in range(z0, z1 + 1) for y in range(y0, y1 + 1) for x in (x0, x1)], np.int64)
        corners = iter(block_keys(ends))
        for first, last in zip(corners, corners, strict=True):
            yield from view.scan(BLOCK + first, BLOCK + last + b"\x00")
        return
    first, last = block_keys(np.array([(x0, y0, z0), (x1, y1, z1)], np.int64))
    for keys in batched(view.keys(BLOCK + first, BLOCK + last + b"\x00"), 8192):
        blocks = block_coordinates(list(keys))
        inside = ((blocks >= (x0, y0, z0)) & (blocks <= (x1, y1, z1))).all(axis=1)
        chosen = [keys[at] for at in np.flatnonzero(inside).tolist()]
        yield from _read(view, chosen)


def _read(view: View, keys: Iterable[bytes]) -> Iterator[tuple[bytes, memoryview]]:
    for some in batched(keys, _AT_ONCE):
        for key, value in zip(some, view.multi_get(some), strict=True):
            if value is not None:
                yield key, value


def elements_in(view: View, box: Box, block_size: Triple) -> Iterator[Piece]:
    """Yield the elements of a box, some at a time."""
    if box.holds_nothing:
        return
    low, high = np.array(box.clipped.low), np.array(box.clipped.high)
    for some in batched(_rows(view, box, block_size), _AT_ONCE):
        positions, counts = positions_of(value for _, value in some)
        inside: Flags = np.asarray(((positions >= low) & (positions < high)).all(axis=1), bool)
        yield b",".join(_chosen([value for _, value in some], inside, counts))


def _chosen(rows: Sequence[memoryview], inside: Flags, counts: Sequence[int]) -> Iterator[memoryview]:
    """Yield the JSON of the elements of rows that are inside: of whole rows as it is."""
    ends = np.cumsum(counts)
    sums = np.concatenate(([0], np.cumsum(inside)))
    found = (sums[ends] - sums[ends - counts]).tolist()
    for row, end, count, number in zip(rows, ends.tolist(), counts, found, strict=True):
        if number and number == count:
            yield text_of(row)
        elif number:
            yield from Row(row).texts(inside[end - count : end])


def _named(rows: Iterable[tuple[bytes, memoryview]]) -> Iterator[Piece]:
    for some in batched(rows, _AT_ONCE):
        names = block_coordinates([key for key, _ in some]).tolist()
        for block, (_, value) in zip(names, some, strict=True):
            yield b'"%s":[%s]' % (name_of_block(block).encode(), text_of(value))


def blocks_in(view: View, box: Box, block_size: Triple) -> Iterator[Piece]:
    """Yield the stored blocks that a box touches, each with all its elements, as members of an object."""
    return iter(()) if box.holds_nothing else _named(_rows(view, box, block_size))


def all_blocks(view: View) -> Iterator[Piece]:
    """Yield all stored blocks with their elements, as members of an object."""
    return _named(view.scan(BLOCK, after(BLOCK)))


def scan_counts(view: View) -> dict[str, int]:
    """Return what `scan` answers: how many blocks are stored."""
    return {"num kv pairs": sum(1 for _ in view.keys(BLOCK, after(BLOCK))), "num empty blocks": 0}


def listed(view: View, prefix: bytes) -> Iterator[Piece]:
    """Yield the elements that an index lists, some at a time, without relationships."""
    return (text_of(value) for _, value in view.scan(prefix, after(prefix)))


def elements_in_region(view: View, region: BlockMask, version: VersionRecord, block_size: Triple) -> Iterator[Piece]:
    """Yield the elements of the blocks of a region, some at a time.

    Args:
        view: the elements.
        region: the region.
        version: at which version it is meant.
        block_size: voxels of a block of elements.

    Raises:
        BadRequest: its blocks have another size.
    """
    size = region.mask_block_size()
    if size != block_size:
        raise BadRequest(f"the blocks of the ROI have {size} voxels, those of these annotations {block_size}")
    keys = list(view.keys(BLOCK, after(BLOCK)))
    blocks = block_coordinates(keys)
    inside = blocks_inside(lambda first, count: region.block_mask(version, first, count), blocks)
    chosen = [keys[at] for at in np.flatnonzero(inside).tolist()]
    return (text_of(value) for _, value in _read(view, chosen))

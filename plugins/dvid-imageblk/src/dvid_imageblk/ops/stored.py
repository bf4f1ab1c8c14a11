"""Stored blocks: finding them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product

from dvid_voxels.geometry import Box, Triple

from dvid_framework.api import View
from dvid_imageblk.keys import after_block_row, block_coordinate, block_key

__all__ = [
    "blocks_in",
    "count_blocks",
    "listed_blocks",
    "payloads_of",
    "places_of",
]

_SCAN_FROM = 3  # blocks of a row from which one scan is cheaper than single reads
Found = tuple[Triple, memoryview]


def blocks_in(view: View, scale: int, blocks: Box) -> Iterator[Found]:
    """Yield block coordinate (x, y, z) and payload of the blocks that exist, by z, y, x.

    Args:
        view: the version.
        scale: the scale.
        blocks: a box of block coordinates.
    """
    (x0, y0, z0), (x1, y1, z1) = blocks.offset, blocks.last
    if x1 - x0 + 1 < _SCAN_FROM:
        yield from listed_blocks(view, scale, places_of(blocks))
        return
    for z in range(z0, z1 + 1):
        for y in range(y0, y1 + 1):
            for key, payload in view.scan(block_key(scale, (x0, y, z)), after_block_row(scale, (x1, y, z))):
                yield block_coordinate(key)[1], payload


def payloads_of(view: View, scale: int, blocks: Box) -> list[memoryview | None]:
    """Return the payload of each block of a box of block coordinates, x fastest, then y, z; None where none is."""
    (x0, y0, z0), (width, height, _) = blocks.offset, blocks.size
    found: list[memoryview | None] = [None] * blocks.voxels
    for (x, y, z), payload in blocks_in(view, scale, blocks):
        found[((z - z0) * height + y - y0) * width + x - x0] = payload
    return found


def places_of(blocks: Box) -> list[Triple]:
    """List a box of block coordinates (x, y, z), x fastest, then y, z."""
    (x0, y0, z0), (x1, y1, z1) = blocks.offset, blocks.last
    return [(x, y, z) for z, y, x in product(range(z0, z1 + 1), range(y0, y1 + 1), range(x0, x1 + 1))]


def count_blocks(view: View, scale: int, blocks: Box) -> int:
    """Count the blocks of a box of block coordinates that exist, by their keys alone."""
    (x0, y0, z0), (x1, y1, z1) = blocks.offset, blocks.last
    rows = ((y, z) for z in range(z0, z1 + 1) for y in range(y0, y1 + 1))
    return sum(1 for y, z in rows for _ in view.keys(block_key(scale, (x0, y, z)), after_block_row(scale, (x1, y, z))))


def listed_blocks(view: View, scale: int, coordinates: Sequence[Triple]) -> Iterator[Found]:
    """Yield those of the given blocks that exist, in the order given."""
    keys = [block_key(scale, coordinate) for coordinate in coordinates]
    for coordinate, payload in zip(coordinates, view.get_each(keys), strict=True):
        if payload is not None:
            yield coordinate, payload

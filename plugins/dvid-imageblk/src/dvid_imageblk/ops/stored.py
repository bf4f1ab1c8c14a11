"""Stored blocks: finding them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product

from dvid_voxels.geometry import INT32_MAX, INT32_MIN, Box, Triple

from dvid_framework.api import BadRequest, View
from dvid_imageblk.keys import after_block_row, block_coordinate, block_key
from dvid_imageblk.ops.bounds import MOST_BLOCKS, MOST_LISTED

__all__ = [
    "block_box",
    "blocks_in",
    "checked_blocks",
    "count_blocks",
    "listed_blocks",
    "parse_list",
    "payloads_of",
    "places_of",
]

_SCAN_FROM = 3  # blocks of a row from which one scan is cheaper than single reads
Found = tuple[Triple, memoryview]


def checked_blocks(blocks: Box) -> Box:
    """Return a box of block coordinates that holds not too many.

    Raises:
        BadRequest: it does.
    """
    if blocks.voxels > MOST_BLOCKS:
        raise BadRequest(f"at most {MOST_BLOCKS} blocks can be asked for at once")
    return blocks


def block_box(box: Box, block_size: Triple) -> Box:
    """Return the box of block coordinates of a box of whole blocks.

    Raises:
        BadRequest: it is not of whole blocks, or of too many.
    """
    if not box.is_aligned(block_size):
        raise BadRequest(f"size and offset must be multiples of the block size {block_size}")
    return checked_blocks(box.blocks(block_size))


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


def parse_list(text: str) -> list[Triple]:
    """Parse `x,y,z,x,y,z,...`, block coordinates.

    Raises:
        BadRequest: not integers of 32 bits, not a multiple of three, or too many.
    """
    parts = text.split(",", 3 * MOST_LISTED) if text else []
    if len(parts) % 3 or len(parts) > 3 * MOST_LISTED:
        raise BadRequest(f"blocks= must be a multiple of three integers x,y,z, for at most {MOST_LISTED} blocks")
    if any(len(part) > 11 or not part.lstrip("+-").isdecimal() for part in parts):
        raise BadRequest("blocks= must be integers x,y,z,x,y,z,...")
    try:
        numbers = [int(part) for part in parts]
    except ValueError as error:
        raise BadRequest("blocks= must be integers x,y,z,x,y,z,...") from error
    if any(not INT32_MIN <= number <= INT32_MAX for number in numbers):
        raise BadRequest("blocks= must be integers of 32 bits")
    return list(zip(numbers[::3], numbers[1::3], numbers[2::3], strict=True))

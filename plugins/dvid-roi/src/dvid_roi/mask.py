"""Masks of voxels, made in slabs of about a megabyte, so that no more than a few of them are ever in memory."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from dvid_voxels.geometry import Box, GeometryError, parse_ints
from dvid_voxels.shapes import Dims, parse_dims, parse_shape
from numpy.typing import NDArray

from dvid_framework.api import BadRequest
from dvid_roi.model import MOST_VOXELS, Triple
from dvid_roi.region import Region

__all__ = ["mask_parts", "mask_pieces", "parse_box"]

_SLAB_VOXELS = 1 << 20
_PART_VOXELS = 1 << 18  # that are sent again and again
_FEW_VOXELS = 8 << 20
_LONGEST_ROW = 1 << 26


def parse_box(dims: str, size: str, offset: str) -> Box | None:
    """Parse `0_1_2`, `64_64_64`, `-3_0_7`: a volume, or None if one of its sizes is 0.

    Raises:
        BadRequest: it is no volume, makes no sense, or is too large.
    """
    try:
        if parse_dims(dims) is not Dims.VOLUME:
            raise BadRequest(f"masks are volumes: the dimensions must be 0_1_2 and not {dims[:20]!r}")
        sizes = parse_ints(size, 3)
        if len(sizes) == 3 and min(sizes) == 0:
            parse_shape(dims, "1_1_1", offset)
            return None
        box = parse_shape(dims, size, offset).box.limited(MOST_VOXELS)
    except GeometryError as error:
        raise BadRequest(str(error)) from error
    if box.size[0] > _LONGEST_ROW:
        raise BadRequest(f"a mask has at most {_LONGEST_ROW} voxels along x")
    return box


def _shares(offset: int, size: int, block: int) -> NDArray[np.int64]:
    """Return how many voxels of a stretch lie in each of the blocks that it touches."""
    edges = np.arange(offset // block, (offset + size - 1) // block + 2, dtype=np.int64) * block
    edges = np.clip(edges, offset, offset + size)
    return edges[1:] - edges[:-1]


def _tiles(region: Region, z: int, box: Box, block_size: Triple) -> Iterator[NDArray[np.uint8]]:
    """Yield the voxels (y, x) of a plane that lies in the blocks of one z, in parts of some rows of blocks."""
    blocks = box.blocks(block_size)
    wide, high = (_shares(box.offset[axis], box.size[axis], block_size[axis]) for axis in (0, 1))
    rows_at_once = max(1, 4 * _SLAB_VOXELS // (box.size[0] * block_size[1]))
    for at in range(0, len(high), rows_at_once):
        shares = high[at : at + rows_at_once]
        plane = region.plane(z, (blocks.offset[0], blocks.offset[1] + at), (len(wide), len(shares)))
        if int(shares.sum()) * box.size[0] <= 8 * _SLAB_VOXELS:
            yield np.repeat(np.repeat(plane, wide, axis=1), shares, axis=0)
            continue
        for line, share in zip(plane, shares.tolist(), strict=True):  # blocks so high that a row of them is too much
            row = np.repeat(line, wide)
            yield from (row[None] for _ in range(share))


def mask_parts(region: Region, block_size: Triple, box: Box) -> tuple[list[memoryview], int] | None:
    """Return what `mask_pieces` yields, and the bytes that it takes, if that is little.

    All planes in the blocks of one z are the same, so a mask is made of few bytes, which are sent again and again.
    """
    plane = box.size[0] * box.size[1]
    size = box.blocks(block_size).size[2] * max(_PART_VOXELS, plane)
    if plane > _SLAB_VOXELS or size > _FEW_VOXELS:
        return None
    return list(mask_pieces(region, block_size, box, _PART_VOXELS)), size


def mask_pieces(region: Region, block_size: Triple, box: Box, slab_voxels: int = _SLAB_VOXELS) -> Iterator[memoryview]:
    """Yield the mask of a box: a byte for each voxel, 1 inside and 0 outside, x fastest, then y, z.

    Args:
        region: the ROI.
        block_size: voxels of its blocks (x, y, z).
        box: the voxels.
        slab_voxels: about how many voxels a piece has.
    """
    first_z, depths = box.offset[2] // block_size[2], _shares(box.offset[2], box.size[2], block_size[2])
    plane_voxels = box.size[0] * box.size[1]
    for at, depth in enumerate(depths.tolist()):
        if plane_voxels > _SLAB_VOXELS:
            for _ in range(depth):
                for tile in _tiles(region, first_z + at, box, block_size):
                    yield np.ascontiguousarray(tile).data.cast("B")
            continue
        plane = next(_tiles(region, first_z + at, box, block_size))
        together = min(depth, max(1, slab_voxels // plane_voxels))
        slab = np.repeat(plane[None], together, axis=0).data.cast("B")
        for done in range(0, depth, together):
            yield slab[: min(together, depth - done) * plane_voxels]

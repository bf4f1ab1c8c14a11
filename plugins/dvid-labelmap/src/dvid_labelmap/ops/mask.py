"""Which blocks of a box lie inside a region of interest."""

from __future__ import annotations

import numpy as np
from dvid_voxels.geometry import Box, Triple
from numpy.typing import NDArray

from dvid_framework.api import BlockMask, VersionRecord

__all__ = ["inside_of"]


def inside_of(region: BlockMask, version: VersionRecord, blocks: Box, block_size: Triple) -> NDArray[np.bool_]:
    """Tell which blocks a region touches; its own blocks may be of another size.

    Args:
        region: the region.
        version: the version to read it at.
        blocks: a box of block coordinates.
        block_size: voxels of a block (x, y, z).

    Returns:
        bool (z, y, x) of the box.
    """
    step = region.mask_block_size()
    first = tuple(low * size for low, size in zip(blocks.offset, block_size, strict=True))
    last = tuple((low + 1) * size - 1 for low, size in zip(blocks.last, block_size, strict=True))
    low = tuple(a // b for a, b in zip(first, step, strict=True))
    count = tuple(b // c - a + 1 for a, b, c in zip(low, last, step, strict=True))
    mask: NDArray[np.bool_] = np.frombuffer(region.block_mask(version, low, count), np.uint8).reshape(count[::-1]) != 0  # type: ignore[arg-type]
    for axis in range(3):
        mask = _gathered(
            mask, 2 - axis, blocks.offset[axis], blocks.size[axis], block_size[axis], step[axis], low[axis]
        )
    return mask


def _gathered(
    mask: NDArray[np.bool_], axis: int, first: int, count: int, size: int, step: int, low: int
) -> NDArray[np.bool_]:
    """Along one axis put together the region's blocks that each of our blocks touches."""
    if size == step:
        return mask
    ours = np.arange(first, first + count)
    starts = ours * size // step - low
    ends = ((ours + 1) * size - 1) // step - low + 1
    sums = np.concatenate((np.zeros_like(mask.take([0], axis), np.int64), mask.cumsum(axis, dtype=np.int64)), axis)
    touched: NDArray[np.bool_] = sums.take(ends, axis) > sums.take(starts, axis)
    return touched

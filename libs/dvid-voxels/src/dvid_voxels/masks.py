"""Regions made of blocks, seen by volumes whose blocks are of another size."""

from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import NDArray

from dvid_voxels.geometry import Box, Triple

__all__ = ["touched_blocks"]


def touched_blocks(
    blocks: Box, block_size: Triple, step: Triple, read: Callable[[Triple, Triple], bytes]
) -> NDArray[np.bool_]:
    """Tell which blocks of a volume a region touches.

    Args:
        blocks: a box of block coordinates of the volume.
        block_size: voxels of its blocks (x, y, z).
        step: voxels of the region's blocks (x, y, z).
        read: gives one byte for each block of the region in a box (first block coordinate, number of blocks along x, y,
            z), not 0 inside, x fastest, then y, z.

    Returns:
        bool (z, y, x) of the box.
    """
    first = tuple(low * size for low, size in zip(blocks.offset, block_size, strict=True))
    last = tuple((low + 1) * size - 1 for low, size in zip(blocks.last, block_size, strict=True))
    low = _triple(a // b for a, b in zip(first, step, strict=True))
    count = _triple(b // c - a + 1 for a, b, c in zip(low, last, step, strict=True))
    mask: NDArray[np.bool_] = np.frombuffer(read(low, count), np.uint8).reshape(count[::-1]) != 0
    for axis in range(3):
        mask = _gathered(
            mask, 2 - axis, blocks.offset[axis], blocks.size[axis], block_size[axis], step[axis], low[axis]
        )
    return mask


def _triple(numbers: Iterable[int]) -> Triple:
    x, y, z = numbers
    return x, y, z


def _gathered(
    mask: NDArray[np.bool_], axis: int, first: int, count: int, size: int, step: int, low: int
) -> NDArray[np.bool_]:
    """Along one axis put together the region's blocks that each of the volume's blocks touches."""
    if size == step:
        return mask
    ours = np.arange(first, first + count)
    starts = ours * size // step - low
    ends = ((ours + 1) * size - 1) // step - low + 1
    sums = np.concatenate((np.zeros_like(mask.take([0], axis), np.int64), mask.cumsum(axis, dtype=np.int64)), axis)
    touched: NDArray[np.bool_] = sums.take(ends, axis) > sums.take(starts, axis)
    return touched

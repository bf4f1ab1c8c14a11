"""Volumes and the blocks that tile them."""

from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dvid_voxels.geometry import Box, GeometryError, Triple

__all__ = ["block_coordinates", "block_origins", "cut_blocks", "paste_block", "paste_blocks"]

Scalar = TypeVar("Scalar", bound=np.generic)


def block_coordinates(box: Box, block_size: Triple) -> NDArray[np.int64]:
    """List the blocks that a box of voxels touches.

    Args:
        box: voxels.
        block_size: voxels of a block (x, y, z).

    Returns:
        Block coordinates, int64 (n, 3) as x, y, z, in the order z, y, x with x fastest.
    """
    blocks = box.blocks(block_size)
    x, y, z = (np.arange(low, low + size, dtype=np.int64) for low, size in zip(blocks.offset, blocks.size, strict=True))
    grid = np.meshgrid(z, y, x, indexing="ij")
    return np.stack([axis.ravel() for axis in reversed(grid)], axis=1)


def block_origins(coordinates: ArrayLike, block_size: Triple, offset: Triple = (0, 0, 0)) -> NDArray[np.int64]:
    """First voxel of each block, relative to `offset`.

    Args:
        coordinates: block coordinates, integers (n, 3) as x, y, z.
        block_size: voxels of a block (x, y, z).
        offset: the voxel (x, y, z) to count from.

    Returns:
        int64 (n, 3) as x, y, z.
    """
    first: NDArray[np.int64] = np.asarray(coordinates, np.int64).reshape(-1, 3) * np.array(block_size)
    return first - np.array(offset, np.int64)


def cut_blocks(volume: NDArray[Scalar], block_size: Triple) -> NDArray[Scalar]:
    """Cut a volume into blocks, without a copy.

    Args:
        volume: (z, y, x, ...), a whole number of blocks.
        block_size: voxels of a block (x, y, z).

    Returns:
        A view (blocks along z, along y, along x, z, y, x, ...).

    Raises:
        GeometryError: it is not a whole number of blocks.
    """
    depth, height, width = volume.shape[:3]
    x, y, z = block_size
    if depth % z or height % y or width % x:
        raise GeometryError(
            f"the volume's size {(width, height, depth)} is not a multiple of the block size {block_size}"
        )
    tiled = volume.reshape(depth // z, z, height // y, y, width // x, x, *volume.shape[3:])
    return tiled.transpose(0, 2, 4, 1, 3, 5, *range(6, tiled.ndim))


def paste_blocks(blocks: NDArray[Scalar]) -> NDArray[Scalar]:
    """Put blocks together: the reverse of `cut_blocks`, a new C-contiguous array (z, y, x, ...)."""
    along = blocks.transpose(0, 3, 1, 4, 2, 5, *range(6, blocks.ndim))
    a, z, b, y, c, x = along.shape[:6]
    return np.ascontiguousarray(along).reshape(a * z, b * y, c * x, *blocks.shape[6:])


def paste_block(block: NDArray[Scalar], origin: Triple, out: NDArray[Scalar]) -> None:
    """Copy into `out` what of a block lies within it.

    Args:
        block: (z, y, x, ...).
        origin: the block's first voxel (x, y, z) relative to the first of `out`; may be negative.
        out: (z, y, x, ...) of the same dtype; written in place.
    """
    source, target = [], []
    for low, size, room in zip(reversed(origin), block.shape[:3], out.shape[:3], strict=True):
        first, end = max(low, 0), min(low + size, room)
        if first >= end:
            return
        source.append(slice(first - low, end - low))
        target.append(slice(first, end))
    out[tuple(target)] = block[tuple(source)]

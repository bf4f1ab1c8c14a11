"""Labels as JSON, and points by blocks, in numpy: what the native kernels mean, and what runs else."""

import numpy as np
from numpy.typing import NDArray

from dvid_labels.block_cache import BlockCache, State
from dvid_labels.layout import check_shape
from dvid_labels.types import Labels, Shape

__all__ = ["group_points", "json_numbers", "labels_kept"]

_AXES = 3


def group_points(
    points: NDArray[np.int64], block_shape: Shape
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Find the blocks that points lie in.

    Args:
        points: int64 (n, 3) as x, y, z.
        block_shape: voxels of a block (x, y, z).

    Returns:
        Block coordinates, int64 (k, 3) as x, y, z, each once, by z, y, x; the number of each point's block, int64 (n,);
        and each point's voxel inside its block, int64 (n, 3).

    Raises:
        ValueError: points or shape are not such.
    """
    if points.shape[1:] != (_AXES,):
        raise ValueError("coordinates must be rows of three")
    size = np.array(check_shape(block_shape))
    found, owners = np.unique((points // size)[:, ::-1], axis=0, return_inverse=True)
    return found[:, ::-1], owners.ravel(), points % size


def labels_kept(cache: BlockCache, state: State, points: NDArray[np.int64], block_shape: Shape) -> Labels | None:
    """Return the labels at points of a state of the data, if all of their blocks have names in a cache.

    Args:
        cache: inflated blocks that were given names.
        state: number of the instance, of the version, of the state of its data, and the scale.
        points: int64 (n, 3) as x, y, z.
        block_shape: voxels of a block (x, y, z).

    Returns:
        uint64 (n,); None if it is not known of a block what is stored there, as it never is here.

    Raises:
        LabelFormatError: a kept block is not of this shape.
        ValueError: points or shape are not such.
    """
    del cache, state
    return None if len(group_points(points, block_shape)[0]) else np.zeros(0, np.uint64)


def json_numbers(numbers: Labels) -> bytes:
    """Write numbers, uint64 (n,), as a JSON list."""
    return b"[" + ",".join(map(str, numbers.tolist())).encode() + b"]"

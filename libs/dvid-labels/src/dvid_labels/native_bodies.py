"""Voxels of a body out of label blocks, native; `dvid_labels.numpy_bodies` says what each function means."""

import dvid_kernels
import numpy as np
from dvid_kernels import BlockCache
from numpy.typing import ArrayLike, NDArray

from dvid_labels.arguments import Bounds, check_bounds, check_threads
from dvid_labels.layout import check_shape
from dvid_labels.native_errors import our_errors
from dvid_labels.types import Labels, Payloads, Shape

__all__ = ["body_binary_blocks", "body_runs", "count_changes"]


def _firsts(coordinates: ArrayLike, block_shape: Shape, count: int) -> NDArray[np.int64]:
    """Return the first voxel of each block, int64 (n, 3); refuses what `check_block_coordinates` refuses."""
    places = np.ascontiguousarray(coordinates, np.int64).reshape(-1, 3)
    return dvid_kernels.first_voxels(places, check_shape(block_shape), count)


def _members(supervoxels: ArrayLike) -> Labels:
    """Return the supervoxels of a body, uint64 (n,); whether they ascend is checked natively."""
    labels = np.require(supervoxels, np.uint64, ["C", "A"])
    if labels.ndim != 1:
        raise ValueError("the supervoxels must be one ascending list, each of them once")
    return labels


def body_runs(
    payloads: Payloads,
    coordinates: ArrayLike,
    block_shape: Shape,
    supervoxels: Labels,
    bounds: Bounds | None = None,
    threads: int = 2,
    cache: BlockCache | None = None,
) -> NDArray[np.int32]:
    """Find the voxels of a body, as runs x, y, z, length along x, int32 (m, 4) by z, y, x; see the numpy twin.

    Raises:
        LabelFormatError: a payload is damaged where it was looked at; the text names its index.
        ValueError: an argument is not as described.
    """
    firsts = _firsts(coordinates, block_shape, len(payloads))
    members = _members(supervoxels)
    low, (x, y, z) = check_bounds(bounds)
    with our_errors():
        return dvid_kernels.body_runs(
            payloads, firsts, block_shape, members, low, (x + 1, y + 1, z + 1), check_threads(threads), cache
        )


def body_binary_blocks(
    payloads: Payloads,
    coordinates: ArrayLike,
    block_shape: Shape,
    supervoxels: Labels,
    threads: int = 2,
    cache: BlockCache | None = None,
) -> list[bytes]:
    """Find the voxels of a body, as binary blocks; see the numpy twin.

    Raises:
        LabelFormatError: a payload is damaged where it was looked at; the text names its index.
        ValueError: an argument is not as described.
    """
    firsts = _firsts(coordinates, block_shape, len(payloads))
    members = _members(supervoxels)
    with our_errors():
        return dvid_kernels.body_binary_blocks(payloads, firsts, block_shape, members, check_threads(threads), cache)


def count_changes(
    old: Payloads, new: Payloads, block_shape: Shape, threads: int = 2
) -> tuple[NDArray[np.int64], Labels, NDArray[np.int64]]:
    """How overwriting blocks changes the voxels of each label in each of them; see the numpy twin.

    Raises:
        LabelFormatError: a payload is damaged; the text names its index.
        ValueError: there are not as many old blocks as new ones.
    """
    if len(old) != len(new):
        raise ValueError("there must be one old block for each new one")
    with our_errors():
        return dvid_kernels.count_changes(old, new, check_shape(block_shape), check_threads(threads))

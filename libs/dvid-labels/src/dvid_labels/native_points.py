"""Points and labels as JSON, and points by blocks, native; `dvid_labels.numpy_points` says what each function means."""

import dvid_kernels
import numpy as np
from dvid_kernels import BlockCache
from numpy.typing import NDArray

from dvid_labels.block_cache import State
from dvid_labels.layout import check_shape
from dvid_labels.native_errors import our_errors
from dvid_labels.types import Labels, Shape

__all__ = ["group_points", "json_numbers", "labels_kept"]


def group_points(
    points: NDArray[np.int64], block_shape: Shape
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Find the blocks that points lie in; see the numpy twin.

    Raises:
        ValueError: points or shape are not such.
    """
    return dvid_kernels.group_points(_rows(points), check_shape(block_shape))


def _rows(points: NDArray[np.int64]) -> NDArray[np.int64]:
    places = np.require(points, np.int64, ["C", "A"])
    if places.shape[1:] != (3,):
        raise ValueError("coordinates must be rows of three")
    return places


def labels_kept(cache: BlockCache, state: State, points: NDArray[np.int64], block_shape: Shape) -> Labels | None:
    """Return the labels at points of a state of the data, uint64 (n,), if all of their blocks have names in a cache.

    Raises:
        LabelFormatError: a kept block is not of this shape.
        ValueError: points or shape are not such.
    """
    with our_errors():
        return dvid_kernels.labels_kept(cache, state, _rows(points), check_shape(block_shape))


def json_numbers(numbers: Labels) -> bytes:
    """Write numbers, uint64 (n,), as a JSON list."""
    return dvid_kernels.json_numbers(np.require(numbers, np.uint64, ["C", "A"]))

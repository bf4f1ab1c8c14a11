"""The next lower resolution of volumes of labels and of images."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["downsample_image", "downsample_labels"]


def downsample_labels(array: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Halve a label volume along each axis.

    Of each 2x2x2 voxels the label with most votes wins, among equals the numerically smallest; 0 does not vote, so it
    wins only where all eight are 0.

    Args:
        array: uint64 (2z, 2y, 2x).

    Returns:
        uint64 (z, y, x).

    Raises:
        ValueError: a size is odd.
    """
    if array.ndim != 3 or any(size % 2 for size in array.shape):
        raise ValueError(f"the sizes {array.shape} are not three even numbers")
    z, y, x = (size // 2 for size in array.shape)
    eight = array.reshape(z, 2, y, 2, x, 2).transpose(0, 2, 4, 1, 3, 5).reshape(-1, 8)
    low = eight[:, 0].copy()
    mixed = np.flatnonzero((eight != eight[:, :1]).any(axis=1))
    if len(mixed):
        low[mixed] = _vote(np.sort(eight[mixed], axis=1))
    return low.reshape(z, y, x)


def _vote(ascending: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Winner of each row of eight sorted labels."""
    votes = (ascending[:, :, None] == ascending[:, None, :]).sum(axis=2, dtype=np.int8)
    votes[ascending == 0] = 0
    # The first of the largest is the smallest label, because the rows are sorted.
    return np.take_along_axis(ascending, votes.argmax(axis=1)[:, None], axis=1)[:, 0]


def downsample_image(array: NDArray[Any]) -> NDArray[Any]:
    """Halve a volume of images along each axis: the mean of each 2x2x2 voxels, of integers rounded, halves up.

    Args:
        array: (2z, 2y, 2x), perhaps with channels behind, of unsigned integers or floats.

    Returns:
        An array (z, y, x, ...) of the same type.

    Raises:
        ValueError: a size is odd.
    """
    if array.ndim < 3 or any(size % 2 for size in array.shape[:3]):
        raise ValueError(f"the sizes {array.shape} are not three even numbers")
    if array.dtype.kind == "f":
        mean: NDArray[Any] = (_sums(array.astype(np.float64)) / 8).astype(array.dtype)
        return mean
    if array.itemsize < 4:
        small: NDArray[Any] = ((_sums(array.astype(np.uint32)) + np.uint32(4)) >> np.uint32(3)).astype(array.dtype)
        return small
    # Of 64-bit numbers eight may be too many for one sum: whole eighths and what is left are summed by themselves.
    wide = array.astype(np.uint64)
    rest = _sums(wide & np.uint64(7)) + np.uint64(4)
    whole: NDArray[Any] = (_sums(wide >> np.uint64(3)) + (rest >> np.uint64(3))).astype(array.dtype)
    return whole


def _sums(array: NDArray[Any]) -> NDArray[Any]:
    """Sum of each 2x2x2 voxels."""
    for axis in range(3):
        even = array.take(range(0, array.shape[axis], 2), axis)
        array = even + array.take(range(1, array.shape[axis], 2), axis)
    return array

"""Slices stretched by area: each pixel is the mean of what it covers."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dvid_voxels.geometry import GeometryError

__all__ = ["isotropic_size", "scale_image"]

_LOW = np.uint64(0xFFFFFFFF)


def isotropic_size(size: tuple[int, int], resolution: tuple[float, float]) -> tuple[int, int]:
    """Tell how many voxels an image with square pixels shows.

    Args:
        size: columns and rows of the image.
        resolution: size of a voxel across and down.

    Returns:
        Columns and rows of voxels: fewer than asked along the axis whose voxels are longer, by the arithmetic of 32-bit
        floats.

    Raises:
        GeometryError: none would be left.
    """
    columns, rows = size
    across, down = np.float32(resolution[0]), np.float32(resolution[1])
    half = np.float32(0.5)
    if across < down:
        rows = int(np.float32(rows) * across / down + half)
    elif across > down:
        columns = int(np.float32(columns) * down / across + half)
    if columns <= 0 or rows <= 0:
        raise GeometryError("the image is less than half a voxel high or wide")
    return columns, rows


def scale_image(image: NDArray[Any], rows: int, columns: int) -> NDArray[Any]:
    """Scale an image by area.

    Pixel i of n covers [i*m, (i+1)*m) of n*m units and pixel j of the m new ones [j*n, (j+1)*n); a new pixel is the sum
    of what it covers, divided by the area; integers are rounded down, exactly; floats are summed as doubles.

    Args:
        image: (rows, columns), perhaps with channels behind, of unsigned integers or floats.
        rows: rows wanted, at least 1.
        columns: columns wanted, at least 1.

    Returns:
        An array of the same type.
    """
    if image.shape[:2] == (rows, columns):
        return image
    if image.dtype.kind == "f":
        total = _covered(_covered(image.astype(np.float64), 0, rows), 1, columns)
        mean: NDArray[Any] = (total / float(image.shape[0] * image.shape[1])).astype(image.dtype)
        return mean
    # The image is scaled in two halves of 32 bits, so that no sum of 64-bit numbers overflows.
    area = np.uint64(image.shape[0] * image.shape[1])
    wide = image.astype(np.uint64)
    low = _covered(_covered(wide & _LOW, 0, rows), 1, columns)
    if image.itemsize <= 4:
        return np.asarray(low // area, image.dtype)
    high = _covered(_covered(wide >> np.uint64(32), 0, rows), 1, columns)
    return np.asarray(_divided(high, low, area), image.dtype)


def _divided(high: NDArray[np.uint64], low: NDArray[np.uint64], area: np.uint64) -> NDArray[np.uint64]:
    """Return (high * 2^32 + low) // area, 32 bits of the quotient at a time: no step needs more than 64 bits."""
    quotient, rest = np.divmod(high, area)
    # rest < area <= 2^32, so rest * 2^32 + low fits but for its own carry, which is split off first.
    carry, low = np.divmod(low, area)
    whole: NDArray[np.uint64] = (quotient << np.uint64(32)) + carry + ((rest << np.uint64(32)) + low) // area
    return whole


def _covered(values: NDArray[Any], axis: int, wanted: int) -> NDArray[Any]:
    """Along an axis, sum what each of the wanted pixels covers, each part times its length."""
    count = values.shape[axis]
    if count == wanted:
        same: NDArray[Any] = values * values.dtype.type(count)
        return same
    at = np.arange(wanted, dtype=np.int64)
    first, end = at * count // wanted, (at + 1) * count
    out: NDArray[Any] | None = None
    for step in range(count // wanted + 2):
        source = first + step
        low, high = np.maximum(source * wanted, at * count), np.minimum((source + 1) * wanted, end)
        length = np.maximum(high - low, 0).astype(values.dtype)
        shape = [1] * values.ndim
        shape[axis] = wanted
        part = values.take(np.minimum(source, count - 1), axis) * length.reshape(shape)
        out = part if out is None else out + part
    assert out is not None  # there is at least one step
    return out

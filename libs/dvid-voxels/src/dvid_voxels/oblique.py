"""Slices of any orientation, with interpolation between eight voxels."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from dvid_voxels.geometry import INT32_MAX, INT32_MIN, GeometryError

__all__ = ["ObliqueSlice", "parse_point", "sample_slice"]

Point: TypeAlias = tuple[float, float, float]
ReadBlocks: TypeAlias = Callable[[NDArray[np.int64]], NDArray[Any]]
"""Voxels (n, z, y, x, ...) of blocks by their coordinates, int64 (n, 3) as x, y, z."""
_MOST_SIDE = 1 << 16
_FARTHEST = 1e100  # its square is a double
_LONGEST_NUMBER = 40


def parse_point(text: str) -> Point:
    """Parse `x_y_z`, three finite numbers.

    Raises:
        GeometryError: it is something else.
    """
    parts = text.split("_")
    if len(parts) == 3 and all(len(part) <= _LONGEST_NUMBER for part in parts):
        try:
            x, y, z = (float(part) for part in parts)
        except ValueError:
            pass
        else:
            if all(math.isfinite(value) for value in (x, y, z)):
                return x, y, z
    raise GeometryError(f"{text[:60]!r} is not three numbers joined by '_'")


@dataclass(frozen=True, slots=True)
class ObliqueSlice:
    """A rectangle in space, and how finely it is sampled.

    Attributes:
        top_left: the first pixel, in the units of the voxel size.
        top_right: the end of the first row.
        bottom_left: the end of the first column.
        resolution: distance of pixels.

    Raises:
        GeometryError: the resolution is not positive, or there would be too many rows or columns.
    """

    top_left: Point
    top_right: Point
    bottom_left: Point
    resolution: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.resolution) and self.resolution > 0):
            raise GeometryError("the resolution must be a positive number")
        if any(abs(value) > _FARTHEST for corner in self._corners for value in corner):
            raise GeometryError("a corner of the slice is out of range")
        if max(self._length(end) / self.resolution for end in self._corners) >= _MOST_SIDE:
            raise GeometryError(f"an image has at most {_MOST_SIDE} rows and columns")

    @property
    def _corners(self) -> tuple[Point, Point, Point]:
        return self.top_left, self.top_right, self.bottom_left

    def _length(self, end: Point) -> float:
        x, y, z = (b - a for a, b in zip(self.top_left, end, strict=True))
        return math.sqrt(x * x + y * y + z * z)

    def _steps(self, end: Point) -> int:
        return math.floor(self._length(end) / self.resolution)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the image."""
        return self._steps(self.bottom_left) + 1, self._steps(self.top_right) + 1

    def row_starts(self) -> NDArray[np.float64]:
        """The first point of each row, float64 (rows, 3): steps are added one after the other."""
        starts: NDArray[np.float64] = _walk(np.array([self.top_left]), self._step(self.bottom_left), self.shape[0])[0]
        return starts

    def points(self, starts: NDArray[np.float64]) -> NDArray[np.float64]:
        """The points of some rows, float64 (rows, columns, 3), given their first ones."""
        return _walk(starts, self._step(self.top_right), self.shape[1])

    def _step(self, end: Point) -> NDArray[np.float64]:
        count = self._steps(end)
        whole = np.array(end) - np.array(self.top_left)
        return whole / count if count else np.zeros(3)


def _walk(starts: NDArray[np.float64], step: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """Return (n, count, 3): each start, and step added to it again and again."""
    walk = np.empty((len(starts), count, 3))
    walk[:, 0], walk[:, 1:] = starts, step
    added: NDArray[np.float64] = np.add.accumulate(walk, axis=1)
    return added


def sample_slice(
    points: NDArray[np.float64], voxel_size: Point, block_size: tuple[int, int, int], read: ReadBlocks
) -> NDArray[Any]:
    """Sample a volume at points, between the eight voxels around each.

    Args:
        points: float64 (..., 3) as x, y, z, in the units of the voxel size.
        voxel_size: size of a voxel (x, y, z).
        block_size: voxels of a block (x, y, z).
        read: reads the blocks that the points lie in.

    Returns:
        Values (...), perhaps with channels behind, of the volume's type; integers are rounded, halves up.

    Raises:
        GeometryError: a point lies outside 32-bit coordinates.
    """
    flat = points.reshape(-1, 3)
    size = np.array(voxel_size)
    at = flat / size
    low, high = np.floor(at), np.ceil(at)
    if not (np.isfinite(at).all() and low.min() >= INT32_MIN and high.max() <= INT32_MAX):
        raise GeometryError("the slice leaves the range of 32-bit voxel coordinates")
    with np.errstate(invalid="ignore", divide="ignore"):
        weight = np.where(low == high, 0.0, (flat - low * size) / ((high - low) * size))
    ends = np.stack((low, high)).astype(np.int64)
    corners = np.stack([ends[(i & 1, i >> 1 & 1, i >> 2), :, (0, 1, 2)].T for i in range(8)])
    values = _gathered(corners, block_size, read)
    mixed = _mixed(values.astype(np.float64), weight)
    return _as_type(mixed, values.dtype).reshape(*points.shape[:-1], *values.shape[2:])


def _gathered(corners: NDArray[np.int64], block_size: tuple[int, int, int], read: ReadBlocks) -> NDArray[Any]:
    """Values (8, n, ...) of voxels (8, n, 3) as x, y, z."""
    blocks, inside = np.divmod(corners.reshape(-1, 3), np.array(block_size))
    wanted, place = _distinct(blocks)
    voxels = read(wanted)
    found = voxels[place.ravel(), inside[:, 2], inside[:, 1], inside[:, 0]]
    return found.reshape(8, -1, *found.shape[1:])


def _distinct(rows: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the distinct rows (m, 3), and for each row the number of its like."""
    first = rows.min(axis=0)
    count = (rows.max(axis=0) - first + 1).tolist()
    if count[0] * count[1] * count[2] >= 1 << 62:  # far apart: no single number tells them apart
        chosen, place = np.unique(rows, axis=0, return_inverse=True)
        return chosen, place.ravel()
    relative = rows - first
    number = (relative[:, 2] * count[1] + relative[:, 1]) * count[0] + relative[:, 0]
    numbers, place = np.unique(number, return_inverse=True)
    distinct = np.stack((numbers % count[0], numbers // count[0] % count[1], numbers // (count[0] * count[1])), axis=1)
    return distinct + first, place.ravel()


def _mixed(values: NDArray[np.float64], weight: NDArray[np.float64]) -> NDArray[np.float64]:
    """Interpolate along x, then y, then z."""
    extra = values.ndim - 2
    for axis in range(3):
        d = weight[:, axis].reshape(-1, *([1] * extra))
        values = values[0::2] * (1 - d) + values[1::2] * d
    mixed: NDArray[np.float64] = values[0]
    return mixed


def _as_type(values: NDArray[np.float64], dtype: np.dtype[Any]) -> NDArray[Any]:
    if dtype.kind == "f":
        return values.astype(dtype)
    most = np.iinfo(dtype).max
    rounded = np.floor(values + 0.5)
    # 2^64 - 1 is no double: what lies above the largest one below it is the largest number.
    over = rounded >= float(most)
    whole: NDArray[Any] = np.where(over, 0.0, rounded).astype(dtype)
    whole[over] = most
    return whole

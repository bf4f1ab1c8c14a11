"""An ROI in memory, ready to be asked where it is."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dvid_roi.model import Runs, Triple

__all__ = ["Region"]

_HALF = 1 << 31
_LOW = (1 << 32) - 1
_EMPTY_Z = (_HALF - 1, -_HALF)


class Region:
    """The runs of one version, and the same blocks as disjoint intervals.

    A row is all blocks of one z and y. Intervals are sorted numbers: index of the row times 2**32, plus x + 2**31; so
    one binary search finds the interval of a block.

    Attributes:
        runs: as they were posted, sorted by z, y, x0 and length; not to be changed.
    """

    __slots__ = ("_ends", "_rows", "_starts", "runs")

    def __init__(self, runs: Runs) -> None:
        self.runs = runs
        runs.flags.writeable = False
        z, y, x0, x1 = runs.astype(np.int64).T
        self._rows, row = np.unique(self._row_keys(z, y), return_inverse=True)
        starts = (row.astype(np.int64) << 32) + x0 + _HALF
        reached = np.maximum.accumulate((row.astype(np.int64) << 32) + x1 + _HALF)
        first = np.ones(len(runs), bool)
        first[1:] = starts[1:] > reached[:-1]
        self._starts = starts[first]
        self._ends = reached[np.append(first[1:], True)] if len(runs) else reached

    @staticmethod
    def _row_keys(z: NDArray[np.int64], y: NDArray[np.int64]) -> NDArray[np.int64]:
        return (z << 32) + y + _HALF

    @property
    def nbytes(self) -> int:
        """Bytes of memory that it takes."""
        return int(self.runs.nbytes + self._rows.nbytes + self._starts.nbytes + self._ends.nbytes)

    @property
    def z_range(self) -> tuple[int, int]:
        """Smallest and largest z; of an empty ROI the largest and smallest int32."""
        return (int(self.runs[0, 0]), int(self.runs[-1, 0])) if len(self.runs) else _EMPTY_Z

    def contains(self, blocks: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Tell for each block (x, y, z) whether it is inside."""
        if len(self._rows) == 0:
            return np.zeros(len(blocks), bool)
        x, y, z = blocks.T
        wanted = self._row_keys(z, y)
        row = np.minimum(np.searchsorted(self._rows, wanted), len(self._rows) - 1)
        place = (row << 32) + x + _HALF
        interval = np.searchsorted(self._starts, place, side="right") - 1
        inside: NDArray[np.bool_] = (
            (self._rows[row] == wanted) & (interval >= 0) & (place <= self._ends[np.maximum(interval, 0)])
        )
        return inside

    def plane(self, z: int, first: tuple[int, int], count: tuple[int, int]) -> NDArray[np.uint8]:
        """Return the blocks of a part of a z plane.

        Args:
            z: the plane.
            first: x and y of the first block.
            count: how many blocks along x and y.

        Returns:
            1 inside and 0 outside, of shape (y, x).
        """
        (x_first, y_first), (x_count, y_count) = first, count
        key = (z << 32) + y_first + _HALF
        low = np.searchsorted(self._rows, key)
        high = np.searchsorted(self._rows, key + y_count - 1, side="right")
        begin, end = np.searchsorted(self._starts, [int(low) << 32, int(high) << 32])
        starts, ends = self._starts[begin:end], self._ends[begin:end]
        x0 = np.maximum((starts & _LOW) - _HALF - x_first, 0)
        x1 = np.minimum((ends & _LOW) - _HALF - x_first, x_count - 1)
        kept = x0 <= x1
        y = (self._rows[starts[kept] >> 32] & _LOW) - _HALF - y_first
        steps = np.zeros((y_count, x_count + 1), np.int8)
        steps[y, x0[kept]] += 1
        steps[y, x1[kept] + 1] -= 1
        return np.cumsum(steps, axis=1, dtype=np.int8, out=steps)[:, :x_count].view(np.uint8)

    def blocks(self, first: Triple, count: Triple) -> bytes:
        """Return one byte for each block of a box, 1 inside and 0 outside, x fastest, then y, z."""
        planes = (self.plane(first[2] + at, first[:2], count[:2]) for at in range(count[2]))
        return b"".join(plane.tobytes() for plane in planes)

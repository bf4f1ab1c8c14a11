"""The runs of one row of subvolumes, seen along x alone."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from itertools import accumulate
from typing import TypeAlias

from dvid_roi.model import Runs

__all__ = ["Row", "Stretch"]

Stretch: TypeAlias = tuple[int, int]
"""First and last block along an axis."""


class Row:
    """Runs of several y and z, projected on x.

    Args:
        runs: x0 and x1 of each, at least one.

    Attributes:
        least: the first block that is covered.
        most: the last one.
        covered: the stretches that runs cover, sorted and disjoint.
    """

    def __init__(self, runs: Runs) -> None:
        spans: list[list[int]] = runs.tolist()
        spans.sort()
        self._starts = [first for first, _ in spans]
        self._ends = sorted(last for _, last in spans)
        self._start_sums = [0, *accumulate(self._starts)]
        self._end_sums = [0, *accumulate(self._ends)]
        self.least, self.most = self._starts[0], self._ends[-1]
        self.covered: list[Stretch] = []
        for first, last in spans:
            if self.covered and first <= self.covered[-1][1] + 1:
                self.covered[-1] = (self.covered[-1][0], max(last, self.covered[-1][1]))
            else:
                self.covered.append((first, last))
        self._covered_ends = [last for _, last in self.covered]

    def _active_until(self, x: int) -> int:
        """Blocks of runs up to x: what they have from their starts on, less what lies behind their ends."""
        begun, ended = bisect_right(self._starts, x), bisect_left(self._ends, x)
        return begun * (x + 1) - self._start_sums[begun] - (ended * x - self._end_sums[ended])

    def active(self, x: Stretch) -> int:
        """Return how many blocks of runs lie in a stretch; where runs overlap, each counts."""
        return self._active_until(x[1]) - self._active_until(x[0] - 1)

    def next_covered(self, x: int) -> int:
        """Return the first covered block at or after x, which must not be behind the last one."""
        return max(x, self.covered[bisect_left(self._covered_ends, x)][0])

    def longest_hole(self, x: Stretch) -> Stretch | None:
        """Return the longest stretch in x that no run covers, the first of equals; None if all is covered."""
        first, last = x
        best: Stretch | None = None
        for at in range(bisect_left(self._covered_ends, first), len(self.covered)):
            begin, end = self.covered[at]
            if begin > last:
                break
            best = _longer(best, (first, begin - 1))
            first = end + 1
        return _longer(best, (first, last))


def _longer(best: Stretch | None, other: Stretch) -> Stretch | None:
    length = other[1] - other[0] + 1
    if length <= 0 or (best is not None and length <= best[1] - best[0] + 1):
        return best
    return other

"""Cutting an ROI into subvolumes.

Runs are taken in order. They fall into layers along z, those into rows along y, and a row is cut into cells along x.
A run beyond the present layer closes it and goes into the next one, also where it lies beyond that as well; so after a
gap a layer may hold runs that lie behind it. Clients know the numbers that come of it, and so it stays.

Simple: layers, rows and cells of `batch` blocks, placed so that what is left over stands out equally on both sides.
Optimized: the first ones are a block longer each until nothing is left over, and cells are cut at their longest hole.
What comes before a hole is added to the subvolume made before, whose far corner moves there: its numbers of blocks are
right, but its corners may not be, for the one made before may be in another row. Only the first of all stands alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import msgspec
import numpy as np

from dvid_framework.api import TooLarge
from dvid_roi.model import Runs, Triple
from dvid_roi.region import Region
from dvid_roi.row import Row, Stretch

__all__ = ["MOST_SUBVOLUMES", "partition"]

MOST_SUBVOLUMES = 500_000
"""Subvolumes of one answer; also how many cells may be looked at."""


class _Subvolume(msgspec.Struct, rename="pascal"):
    min_point: Triple
    max_point: Triple
    min_chunk: Triple
    max_chunk: Triple
    total_blocks: int
    active_blocks: int


class _Extent(msgspec.Struct, rename="pascal"):
    min_chunk: Triple
    max_chunk: Triple


class _Partition(msgspec.Struct, rename="pascal"):
    num_total_blocks: int = 0
    num_active_blocks: int = 0
    num_subvolumes: int = 0
    roi: _Extent | None = msgspec.field(default=None, name="ROI")
    subvolumes: list[_Subvolume] = []


class _Grid:
    """Stretches side by side along one axis, numbered from 0.

    Args:
        least: the first block that is covered.
        most: the last one.
        batch: blocks of a stretch.
        optimized: whether the first stretches take up what is left over, a block each.
    """

    def __init__(self, least: int, most: int, batch: int, optimized: bool) -> None:
        rest = (most - least + 1) % batch
        self._batch = batch
        self._longer = rest if optimized else 0
        self._start = least if optimized else least - rest // 2
        self.count = (most + (rest - rest // 2) - self._start) // batch + 1

    def number(self, block: int) -> int:
        """Return the number of the stretch that holds a block."""
        at, longer = block - self._start, self._longer * (self._batch + 1)
        return at // (self._batch + 1) if at < longer else self._longer + (at - longer) // self._batch

    def stretch(self, number: int) -> Stretch:
        """Return the first and the last block of a stretch."""
        first = self._start + number * self._batch + min(number, self._longer)
        return first, first + self._batch - (number >= self._longer)


def _layers(runs: Runs, batch: int, optimized: bool) -> Iterator[tuple[Stretch, Runs]]:
    """Yield the layers that hold runs, with these."""
    least, most = int(runs[0, 0]), int(runs[-1, 0])
    rest = (most - least + 1) % batch
    first = least if optimized else least - rest // 2
    last, begin = first + batch - 1, 0
    for at, z in enumerate(runs[:, 0].tolist()):
        if z > last:
            yield (first, last), runs[begin:at]
            first, last, begin = last + 1, last + batch, at
            if optimized and rest:
                last, rest = last + 1, rest - 1
    yield (first, last), runs[begin:]


def _rows(layer: Runs, batch: int, optimized: bool) -> Iterator[tuple[Stretch, Row]]:
    """Yield the rows of a layer that hold runs."""
    layer = layer[np.argsort(layer[:, 1], kind="stable")]
    grid = _Grid(int(layer[0, 1]), int(layer[-1, 1]), batch, optimized)
    numbers = [grid.number(y) for y in layer[:, 1].tolist()]
    edges = [0, *(at for at in range(1, len(numbers)) if numbers[at] != numbers[at - 1]), len(numbers)]
    for begin, end in pairwise(edges):
        yield grid.stretch(numbers[begin]), Row(layer[begin:end, 2:])


class _Cutter:
    """Gathers the subvolumes."""

    def __init__(self, block_size: Triple, batch: int) -> None:
        self._block_size = block_size
        self._batch = batch
        self._looked_at = 0
        self.total = self.active = 0
        self.subvolumes: list[_Subvolume] = []

    def _look(self) -> None:
        self._looked_at += 1
        if self._looked_at > MOST_SUBVOLUMES:
            raise TooLarge(f"there would be more than {MOST_SUBVOLUMES} subvolumes; take a larger batchsize")

    def _add(self, x: Stretch, y: Stretch, z: Stretch, active: int) -> None:
        low, high = (x[0], y[0], z[0]), (x[1], y[1], z[1])
        width, height, depth = self._block_size
        self.subvolumes.append(
            _Subvolume(
                (low[0] * width, low[1] * height, low[2] * depth),
                ((high[0] + 1) * width - 1, (high[1] + 1) * height - 1, (high[2] + 1) * depth - 1),
                low,
                high,
                _volume(x, y, z),
                active,
            )
        )

    def simple(self, y: Stretch, z: Stretch, row: Row) -> None:
        """Cut a row into equal cells, and leave out the empty ones."""
        grid = _Grid(row.least, row.most, self._batch, optimized=False)
        done = -1
        for first, last in row.covered:
            for number in range(max(grid.number(first), done + 1), grid.number(last) + 1):
                self._look()
                x = grid.stretch(number)
                self._add(x, y, z, row.active(x))
                done = number
        self.total += grid.count * self._batch**3
        self.active += row.active((row.least, row.most))

    def optimized(self, y: Stretch, z: Stretch, row: Row) -> None:
        """Cut a row into cells that are as long as is left to do, and these at their longest hole."""
        batch, rest, at = self._batch, (row.most - row.least + 1) % self._batch, row.least
        while at <= row.most:
            self._look()
            size = batch + (rest > 0)
            empty = (row.next_covered(at) - at) // size
            if empty:  # cells without any run, as many as come one after the other at this size
                skipped = min(empty, rest) if rest else empty
                at, rest = at + skipped * size, max(rest - skipped, 0)
                continue
            rest, cell = max(rest - 1, 0), (at, at + size - 1)
            hole = row.longest_hole(cell)
            if hole is None:
                self._count(cell, y, z, row)
                self._add(cell, y, z, row.active(cell))
            elif hole[0] > at:
                self._before_hole((at, hole[0] - 1), y, z, row)
            at = (cell if hole is None else hole)[1] + 1

    def _count(self, x: Stretch, y: Stretch, z: Stretch, row: Row) -> None:
        self.total += _volume(x, y, z)
        self.active += row.active(x)

    def _before_hole(self, x: Stretch, y: Stretch, z: Stretch, row: Row) -> None:
        self._count(x, y, z, row)
        if not self.subvolumes:
            self._add(x, y, z, row.active(x))
            return
        before, (width, height, depth) = self.subvolumes[-1], self._block_size
        before.max_chunk = (x[1], y[1], z[1])
        before.max_point = (x[1] * width, y[1] * height, z[1] * depth)
        before.total_blocks += _volume(x, y, z)
        before.active_blocks += row.active(x)


def _volume(x: Stretch, y: Stretch, z: Stretch) -> int:
    return (x[1] - x[0] + 1) * (y[1] - y[0] + 1) * (z[1] - z[0] + 1)


def partition(region: Region, block_size: Triple, batch: int, optimized: bool) -> bytes:
    """Cut an ROI into subvolumes and return their JSON.

    Args:
        region: the ROI.
        block_size: voxels of a block.
        batch: blocks along each side of a subvolume.
        optimized: fit sizes to the ROI, and cut at holes.

    Raises:
        TooLarge: there would be too many subvolumes.
    """
    runs, (min_z, max_z) = region.runs, region.z_range
    cutter = _Cutter(block_size, batch)
    low, high = [0, 0, min_z], [0, 0, max_z]  # the extent always holds 0 along x and y
    if len(runs):
        low[:2] = min(0, int(runs[:, 2].min())), min(0, int(runs[:, 1].min()))
        high[:2] = max(0, int(runs[:, 3].max())), max(0, int(runs[:, 1].max()))
        cut = cutter.optimized if optimized else cutter.simple
        for z, layer in _layers(runs, batch, optimized):
            for y, row in _rows(layer, batch, optimized):
                cut(y, z, row)
    extent = _Extent((low[0], low[1], low[2]), (high[0], high[1], high[2]))
    answer = _Partition(cutter.total, cutter.active, len(cutter.subvolumes), extent, cutter.subvolumes)
    return msgspec.json.format(msgspec.json.encode(answer), indent=4)

"""From strips of a plane to tiles of all levels, holding a row of tiles of each level and no more.

Arrays are (rows, columns, slices) or (rows, columns, slices, channels): several slices side by side.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from dvid_voxels.scaling import scale_image
from numpy.typing import NDArray

__all__ = ["Extent", "LevelPlan", "Pyramid", "TileRow", "area_mean"]


class Extent(NamedTuple):
    """Pixels along one axis of a plane, `first` up to `end`, which is not among them."""

    first: int
    end: int


class LevelPlan(NamedTuple):
    """One level of a plane.

    Attributes:
        across: columns of a tile.
        down: rows of a tile.
        factor_across: how many columns of the level before one covers.
        factor_down: likewise for rows.
    """

    across: int
    down: int
    factor_across: int
    factor_down: int


class TileRow(NamedTuple):
    """Tiles side by side, of one level.

    Attributes:
        level: the level.
        row: number of the tiles down.
        first: number of the first tile across.
        pixels: the row, a whole number of tiles wide and one tile high.
    """

    level: int
    row: int
    first: int
    pixels: NDArray[Any]


def area_mean(pixels: NDArray[Any], across: int, down: int) -> NDArray[Any]:
    """Return the mean of each `down` x `across` pixels, integers rounded down. The sizes are multiples of these."""
    if across == 1 and down == 1:
        return pixels
    rows, columns = pixels.shape[0] // down, pixels.shape[1] // across
    if pixels.dtype.kind == "u" and pixels.itemsize <= 2 and across * down <= 1 << 16:
        parts = pixels.reshape(rows, down, columns, across, *pixels.shape[2:])
        total = parts.sum(axis=(1, 3), dtype=np.uint32 if pixels.itemsize == 1 else np.uint64)
        count: Any = total.dtype.type(across * down)
        mean: NDArray[Any] = (total // count).astype(pixels.dtype)
        return mean
    return scale_image(pixels, rows, columns)


class _Level:
    """The rows of one level that wait for a whole tile, or for the mean."""

    def __init__(self, number: int, plan: LevelPlan, across: Extent, down: Extent) -> None:
        self.number, self.plan = number, plan
        self.across, self.down = across, down
        self.coming = down.first
        self._tile: NDArray[Any] | None = None
        self.rest: NDArray[Any] | None = None
        """Rows that do not make a row of the next level yet."""

    def add(self, rows: NDArray[Any]) -> Iterator[TileRow]:
        """Take the next rows; yield each row of tiles that is whole now."""
        height, width = self.plan.down, self.plan.across
        first = self.across.first // width
        while len(rows):
            number, at = divmod(self.coming, height)
            if self._tile is None:
                columns = (-(-self.across.end // width) - first) * width
                self._tile = np.zeros((height, columns, *rows.shape[2:]), rows.dtype)
            count = min(len(rows), height - at)
            left = self.across.first - first * width
            self._tile[at : at + count, left : left + rows.shape[1]] = rows[:count]
            self.coming += count
            rows = rows[count:]
            if at + count == height or self.coming == self.down.end:
                tile, self._tile = self._tile, None
                yield TileRow(self.number, number, first, tile)


class Pyramid:
    """Makes the tiles of all levels of a plane from its strips.

    Args:
        plans: the levels; the factors of the first are 1.
        across: the columns of the strips, a multiple of the product of the factors at both ends.
        down: the rows of all strips together, likewise.
    """

    def __init__(self, plans: list[LevelPlan], across: Extent, down: Extent) -> None:
        self._levels = []
        for number, plan in enumerate(plans):
            across = Extent(across.first // plan.factor_across, across.end // plan.factor_across)
            down = Extent(down.first // plan.factor_down, down.end // plan.factor_down)
            self._levels.append(_Level(number, plan, across, down))

    def add(self, strip: NDArray[Any]) -> Iterator[TileRow]:
        """Take the next rows of the finest level; yield the rows of tiles that are whole now, of any level."""
        rows = strip
        for level, coarser in zip(self._levels, [*self._levels[1:], None], strict=True):
            yield from level.add(rows)
            if coarser is None:
                return
            waiting = rows if level.rest is None else np.concatenate((level.rest, rows))
            whole = len(waiting) - len(waiting) % coarser.plan.factor_down
            level.rest = waiting[whole:].copy() if whole < len(waiting) else None
            rows = area_mean(waiting[:whole], coarser.plan.factor_across, coarser.plan.factor_down)
            if not len(rows):
                return

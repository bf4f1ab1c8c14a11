"""Labels that a grid store keeps, seen as blocks of the instance: everything that reads a view reads them."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec
import numpy as np
from dvid_labels import kernels
from dvid_voxels.geometry import Triple

from dvid_framework.api import BadRequest, GridVolume, View
from dvid_labelmap.keys import after_block_row, block_bounds, block_coordinate, block_key
from dvid_labelmap.model import LabelMapSettings
from dvid_labelmap.ops.bounds import THREADS

__all__ = ["GridView", "fitted_settings"]

_TYPES = frozenset({"uint8", "uint16", "uint32", "uint64"})
_STEP, _LARGEST_SIDE, _MOST_VOXELS = 16, 1024, 1 << 24
_ROW_BYTES = 64 << 20
_MOST_SCALE = 255
_ROW = 10  # bytes of a key that say class, scale, z and y


def _halved_scales(grid: GridVolume, level: int) -> int:
    """Count the scales behind one that each halve the one before along every axis, and begin where it does."""
    count = 0
    for fine, coarse in zip(grid.scales[level:], grid.scales[level + 1 :], strict=False):
        doubled = all(abs(b - 2 * a) < 1e-3 * a for a, b in zip(fine.resolution, coarse.resolution, strict=True))
        fits = all(b == a // 2 for a, b in zip(fine.offset, coarse.offset, strict=True))
        if not (doubled and fits):
            break
        count += 1
    return min(count, _MOST_SCALE)


def fitted_settings(settings: LabelMapSettings, grid: GridVolume) -> LabelMapSettings:
    """Return the settings of an instance that shows a grid store: resolution, extents and scales of it, and no bodies.

    Raises:
        BadRequest: there is no such scale, or it holds no labels.
    """
    level = settings.scale_level
    if level >= len(grid.scales):
        raise BadRequest(f"ScaleLevel {level}: the grid store {settings.grid_store!r} has {len(grid.scales)} scales")
    if grid.data_type not in _TYPES or grid.channels != 1:
        raise BadRequest(
            f"the grid store {settings.grid_store!r} holds {grid.data_type} in {grid.channels} channels, and no labels"
        )
    scale = grid.scales[level]
    side = scale.chunk_size
    fits = not any(n % _STEP or n > _LARGEST_SIDE for n in side) and side[0] * side[1] * side[2] <= _MOST_VOXELS
    return msgspec.structs.replace(
        settings,
        block_size=side if fits else settings.block_size,
        voxel_size=scale.resolution,
        min_point=scale.offset,
        max_point=scale.last,
        max_downres_level=_halved_scales(grid, level),
        indexed_labels=False,
        shows_grid=True,
    )


class GridView(View):
    """A view whose blocks are those of a grid store; all else is the instance's own.

    Args:
        plain: the instance's own view.
        grid: the store's volume.
        settings: the instance's settings.
    """

    def __init__(self, plain: View, grid: GridVolume, settings: LabelMapSettings) -> None:
        self._plain = plain
        self._grid = grid
        self._settings = settings
        self._start, self._stop = block_bounds()
        self.version = plain.version
        self.epoch = plain.epoch

    def close(self) -> None:
        self._plain.close()

    def _is_block(self, type_key: bytes) -> bool:
        return self._start <= type_key < self._stop

    # -- the store's blocks

    def _extent(self, scale: int) -> tuple[Triple, Triple] | None:
        """Return the first and the last block of a scale; None if there is no such scale."""
        if scale > self._settings.max_downres_level:
            return None
        described, side = self._grid.scales[self._settings.scale_level + scale], self._settings.block_size
        x, y, z = (low // count for low, count in zip(described.offset, side, strict=True))
        a, b, c = (high // count for high, count in zip(described.last, side, strict=True))
        return (x, y, z), (a, b, c)

    def _row(self, scale: int, first: Triple, count: int) -> Iterator[tuple[bytes, memoryview]]:
        """Yield key and payload of the blocks of a row that hold any label."""
        x, y, z = first
        width, height, depth = self._settings.block_size
        step = max(1, _ROW_BYTES // (8 * width * height * depth))
        for at in range(0, count, step):
            blocks = min(step, count - at)
            size = (blocks * width, height, depth)
            offset = ((x + at) * width, y * height, z * depth)
            raw = self._grid.read_box(self._settings.scale_level + scale, offset, size)
            labels = np.frombuffer(raw, self._grid.data_type).reshape(size[::-1]).astype(np.uint64)
            if not labels.any():
                continue
            payloads = kernels.write_blocks(labels, self._settings.block_size, THREADS)
            there: list[bool] = np.any(labels.reshape(depth, height, blocks, width), axis=(0, 1, 3)).tolist()
            for number, payload in enumerate(payloads):
                if there[number]:
                    yield block_key(scale, (x + at + number, y, z)), memoryview(payload)

    def _block(self, type_key: bytes) -> memoryview | None:
        scale, (x, y, z) = block_coordinate(type_key)
        extent = self._extent(scale)
        if extent is None or not all(a <= n <= b for a, n, b in zip(extent[0], (x, y, z), extent[1], strict=True)):
            return None
        return next((payload for _, payload in self._row(scale, (x, y, z), 1)), None)

    def _rows(self, start: bytes, stop: bytes) -> Iterator[tuple[int, Triple, int]]:
        """Yield scale, first block and number of blocks of the rows, or parts of rows, from start to stop."""
        if start[:_ROW] == stop[:_ROW] and len(start) == len(block_key(0, (0, 0, 0))):
            scale, (_, y, z) = block_coordinate(start)
            places: Iterable[tuple[int, int, int]] = ((scale, y, z),)
        else:
            places = (
                (scale, y, z)
                for scale in range(self._settings.max_downres_level + 1)
                for low, high in [self._extent(scale) or ((0, 0, 0), (-1, -1, -1))]
                for z in range(low[2], high[2] + 1)
                for y in range(low[1], high[1] + 1)
            )
        for scale, y, z in places:
            extent = self._extent(scale)
            if extent is None or not (extent[0][1] <= y <= extent[1][1] and extent[0][2] <= z <= extent[1][2]):
                continue
            low, high = extent[0][0], extent[1][0]
            if start > block_key(scale, (low, y, z)):
                if start >= after_block_row(scale, (high, y, z)):
                    continue
                low = next(x for x in range(low, high + 1) if block_key(scale, (x, y, z)) >= start)
            if stop <= block_key(scale, (low, y, z)):
                continue
            while block_key(scale, (high, y, z)) >= stop:
                high -= 1
            yield scale, (low, y, z), high - low + 1

    def _range(self, start: bytes, stop: bytes | None) -> tuple[bytes, bytes] | None:
        """Return what of a range of keys is blocks; None if nothing is."""
        first, last = max(start, self._start), self._stop if stop is None else min(stop, self._stop)
        return (first, last) if first < last else None

    # -- what a view gives

    def get(self, type_key: bytes) -> memoryview | None:
        return self._block(type_key) if self._is_block(type_key) else self._plain.get(type_key)

    def multi_get(self, type_keys: Iterable[bytes]) -> list[memoryview | None]:
        return [self.get(type_key) for type_key in type_keys]

    def multi_get_of(self, version: int, type_keys: Iterable[bytes]) -> list[memoryview | None]:
        return self._plain.multi_get_of(version, type_keys)

    def get_shared(self, type_key: bytes) -> memoryview | None:
        return self._plain.get_shared(type_key)

    def get_each(self, type_keys: Iterable[bytes]) -> Iterator[memoryview | None]:
        for type_key in type_keys:
            yield self.get(type_key)

    def version_of(self, type_key: bytes) -> int | None:
        if self._is_block(type_key):
            return None if self._block(type_key) is None else self.version
        return self._plain.version_of(type_key)

    def __contains__(self, type_key: bytes) -> bool:
        return self.version_of(type_key) is not None

    def keys(self, start: bytes = b"", stop: bytes | None = None) -> Iterator[bytes]:
        if self._range(start, stop) is None:
            return self._plain.keys(start, stop)
        return (key for key, _ in self.scan(start, stop))

    def scan(self, start: bytes = b"", stop: bytes | None = None) -> Iterator[tuple[bytes, memoryview]]:
        blocks = self._range(start, stop)
        if blocks is None:
            return self._plain.scan(start, stop)
        found = (pair for scale, first, count in self._rows(*blocks) for pair in self._row(scale, first, count))
        if (start, stop) == blocks:
            return found
        return heapq.merge(self._plain.scan(start, stop), found, key=_key)


def _key(pair: tuple[bytes, Any]) -> bytes:
    return pair[0]

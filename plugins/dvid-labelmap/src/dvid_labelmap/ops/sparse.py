"""Sparse volumes: the voxels of a body or supervoxel, slab by slab of its blocks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from dvid_labels import kernels
from dvid_labels.kernels import BlockCache
from dvid_labels.runs import (
    binary_blocks_header,
    block_slabs,
    coarse_runs,
    encode_coarse_volume,
    encode_rles,
    joined_runs,
    rles_header,
)
from dvid_labels.types import Buffer, Labels
from dvid_voxels.geometry import INT32_MAX, INT32_MIN, Triple
from numpy.typing import NDArray

from dvid_framework.api import BadRequest, View
from dvid_labelmap.keys import body_of_summary, summary_bounds
from dvid_labelmap.ops.body_index import BodyIndex, index_of_parts
from dvid_labelmap.ops.body_records import stored_parts
from dvid_labelmap.ops.bounds import THREADS, stored_blocks
from dvid_labelmap.ops.cut_cells import runs_past_bound
from dvid_labelmap.ops.index_rows import Integers
from dvid_labelmap.ops.points import BlockSource

__all__ = ["Bounds", "SparseRead", "blocks_of_bounds", "coarse_pieces", "coarse_volume", "parse_bounds", "within"]

Bounds: TypeAlias = tuple[Triple, Triple]
"""First and last voxel (x, y, z), both included."""
_SLAB_BLOCKS = 256
_KEPT_BYTES = 256 << 20  # runs that are kept between counting and sending; of more the counting is done twice
_PIECE_BYTES = 4 << 20
_CACHED_BLOCKS = 64  # larger bodies would take the room of many small ones
_QUICK_BLOCKS = 4
_QUICK_BYTES = 32 << 10


def parse_bounds(query: Mapping[str, str]) -> Bounds | None:
    """Return the bounds minx, maxx, miny, ... of a query; None without any.

    Raises:
        BadRequest: one is no integer.
    """
    points: list[Triple] = []
    for side, default in (("min", INT32_MIN), ("max", INT32_MAX)):
        x, y, z = (_bound(query.get(side + axis), side + axis, default) for axis in "xyz")
        points.append((x, y, z))
    whole = points[0] == (INT32_MIN,) * 3 and points[1] == (INT32_MAX,) * 3
    return None if whole else (points[0], points[1])


def _bound(text: str | None, name: str, default: int) -> int:
    if not text:
        return default
    if not (text.isascii() and text.lstrip("+-").isdigit() and len(text) <= 20):
        raise BadRequest(f"{name}={text[:20]!r} is no integer")
    try:
        return max(INT32_MIN, min(INT32_MAX, int(text)))
    except ValueError as error:
        raise BadRequest(f"{name}={text[:20]!r} is no integer") from error


def blocks_of_bounds(bounds: Bounds | None, block_size: Triple) -> Bounds:
    """Return first and last block coordinate (x, y, z) of the blocks that touch bounds in voxels; all without them."""
    if bounds is None:
        return (INT32_MIN,) * 3, (INT32_MAX,) * 3
    (x0, y0, z0), (x1, y1, z1) = bounds
    x, y, z = block_size
    return (x0 // x, y0 // y, z0 // z), (x1 // x, y1 // y, z1 // z)


def within(blocks: Integers, bounds: Bounds | None, block_size: Triple) -> Integers:
    """Return those blocks that touch the bounds.

    Args:
        blocks: block coordinates, int64 (n, 3) as x, y, z.
        bounds: in voxels of the same scale; all blocks without them.
        block_size: voxels of a block (x, y, z).
    """
    if bounds is None:
        return blocks
    low, high = map(np.array, blocks_of_bounds(bounds, block_size))
    inside: Integers = blocks[((blocks >= low) & (blocks <= high)).all(axis=1)]
    return inside


@dataclass(frozen=True, slots=True)
class SparseRead:
    """A read of the voxels of a body at a version.

    Attributes:
        source: the stored blocks, of the scale of blocks and bounds; it must stay open while the read goes on.
        label: the body or supervoxel as it was asked for.
        supervoxels: what its voxels hold, uint64, ascending.
        blocks: coordinates of the blocks that may hold some, int64 (n, 3) as x, y, z, sorted by z, y, x.
        bounds: what voxels are asked for; all without them.
        stored: the stored blocks, if they were read already.
        cache: where inflated blocks are kept, for a few blocks.
    """

    source: BlockSource
    label: int
    supervoxels: Labels
    blocks: Integers
    bounds: Bounds | None = None
    stored: Sequence[memoryview | None] | None = None
    cache: BlockCache | None = None

    @classmethod
    def of(cls, source: BlockSource, label: int, index: BodyIndex, bounds: Bounds | None) -> SparseRead:
        """Return the read of a body by its index at scale 0, or of a part of it."""
        return cls.of_blocks(source, label, index.blocks, np.unique(index.supervoxels), bounds)

    @classmethod
    def of_blocks(
        cls, source: BlockSource, label: int, blocks: Integers, supervoxels: Labels, bounds: Bounds | None
    ) -> SparseRead:
        """Return the read of a body by its blocks at scale 0, sorted by z, y, x, and its supervoxels, ascending."""
        if source.scale:
            blocks = np.unique(blocks[:, ::-1] >> source.scale, axis=0)[:, ::-1]
        blocks = within(blocks, bounds, source.block_size)
        cache = source.cache if len(blocks) <= _CACHED_BLOCKS else None
        return cls(source, label, supervoxels, blocks, bounds, None, cache)

    def whole_blocks(self) -> SparseRead:
        """Return the read of all voxels of the blocks, also those out of bounds."""
        return replace(self, bounds=None)

    def quick(self) -> SparseRead | None:
        """Return the read with its blocks if the voxels can be had well within a millisecond: few of few bytes."""
        if len(self.blocks) > _QUICK_BLOCKS:
            return None
        stored = self.source.read(self.blocks.tolist())
        if sum(len(value) for value in stored if value is not None) > _QUICK_BYTES:
            return None
        return replace(self, stored=stored)

    def _slabs(self) -> Iterator[tuple[Integers, list[memoryview | None]]]:
        """Yield block coordinates and stored blocks, whole planes of blocks at a time."""
        if self.stored is not None:
            yield self.blocks, list(self.stored)
            return
        for places in block_slabs(self.blocks, _SLAB_BLOCKS):
            coordinates = self.blocks[places]
            yield coordinates, self.source.read(coordinates.tolist())

    def _threads(self) -> int:
        """A thread of its own costs more than a few blocks."""
        return 1 if self.stored is not None else THREADS

    def runs(self) -> Iterator[NDArray[np.int32]]:
        """Yield runs of voxels, int32 (m, 4) as x, y, z, length, by z, y, x.

        Raises:
            CorruptValue: a stored block is damaged.
        """
        size, bounds, threads = self.source.block_size, self.bounds, self._threads()
        for coordinates, payloads in self._slabs():
            with stored_blocks(self.source.scale, coordinates):  # type: ignore[arg-type]  # rows of the array do as triples
                runs = kernels.body_runs(payloads, coordinates, size, self.supervoxels, bounds, threads, self.cache)
                if bounds is not None:
                    more = runs_past_bound(payloads, coordinates, size, self.supervoxels, bounds)
                    runs = joined_runs(np.concatenate((runs, more))) if len(more) else runs
            yield runs

    def rles(self) -> Iterator[Buffer]:
        """Yield the format rles; nothing if there are no voxels. The runs are counted before the first piece."""
        kept: list[NDArray[np.int32]] | None = []
        count, size = 0, 0
        for runs in self.runs():
            count, size = count + len(runs), size + runs.nbytes
            if kept is not None:
                kept = None if size > _KEPT_BYTES else [*kept, runs]
        if not count:
            return
        if size <= _PIECE_BYTES and kept is not None:
            yield encode_rles(np.concatenate(kept))
            return
        yield rles_header(count)
        for runs in self.runs() if kept is None else kept:
            if len(runs):
                yield runs.data.cast("B")

    def srles(self) -> Iterator[Buffer]:
        """Yield the format srles: runs alone."""
        for runs in self.runs():
            if len(runs):
                yield runs.data.cast("B")

    def binary_blocks(self) -> Iterator[Buffer]:
        """Yield the format blocks, whole blocks always; nothing if there are no voxels."""
        size = self.source.block_size
        header = binary_blocks_header(size, self.label)
        for coordinates, payloads in self._slabs():
            with stored_blocks(self.source.scale, coordinates):  # type: ignore[arg-type]  # rows of the array do as triples
                found = kernels.body_binary_blocks(
                    payloads, coordinates, size, self.supervoxels, self._threads(), self.cache
                )
            if found:
                yield header + b"".join(found)
                header = b""


def coarse_volume(index: BodyIndex, bounds: Bounds | None, block_size: Triple) -> bytes:
    """Return the runs of blocks of a body, as rles of block coordinates."""
    blocks = within(index.blocks, bounds, block_size)
    if len(blocks) == 1:
        return encode_rles(np.append(blocks, 1).astype(np.int32).reshape(1, 4))
    return encode_rles(coarse_runs(blocks))


def coarse_pieces(view: View, first: int, last: int, bounds: Bounds | None, block_size: Triple) -> Iterator[bytes]:
    """Yield for each body from first to last its label, number of runs of blocks, and those runs."""
    parts: list[bytes] = []
    size = 0
    for key, value in view.scan(*summary_bounds(first, last)):
        body = body_of_summary(key)
        index = index_of_parts(*stored_parts(view, body, value))
        if index is None:
            continue
        parts.append(encode_coarse_volume(body, coarse_runs(within(index.blocks, bounds, block_size))))
        size += len(parts[-1])
        if size > _PIECE_BYTES:
            yield b"".join(parts)
            parts, size = [], 0
    if parts:
        yield b"".join(parts)

"""Rows of many bodies' indices at once: read from their chunks, combined, and written back, by columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.ma  # np.unique would import it in the midst of the first write
from dvid_labels import kernels
from dvid_labels.types import Buffer, Labels
from dvid_voxels.geometry import Triple
from numpy.typing import NDArray

from dvid_framework.api import View
from dvid_labelmap.index_codec import CHUNK_SIDE, decode_chunks
from dvid_labelmap.keys import chunk_key

__all__ = [
    "EMPTY",
    "ChunkRows",
    "Integers",
    "Rows",
    "are_among",
    "blocks_of_places",
    "chunk_keys",
    "joined_chunks",
    "places_of_blocks",
    "read_chunks",
]

Integers: TypeAlias = NDArray[np.int64]
_STEPS = np.array((1, CHUNK_SIDE, CHUNK_SIDE**2))
EMPTY = bytes(8)
"""A stored chunk without rows."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of indices.

    Attributes:
        bodies: uint64 (r,).
        blocks: block coordinates, int64 (r, 3) as x, y, z.
        supervoxels: uint64 (r,).
        voxels: int64 (r,), how many voxels of the supervoxel are in the block.
    """

    bodies: Labels
    blocks: Integers
    supervoxels: Labels
    voxels: Integers

    def chosen(self, index: NDArray[np.bool_] | Integers) -> Rows:
        """Return some of the rows."""
        return Rows(self.bodies[index], self.blocks[index], self.supervoxels[index], self.voxels[index])


def are_among(numbers: NDArray[Any], names: NDArray[Any]) -> NDArray[np.bool_]:
    """Tell which of some numbers are among others, of the same type and sorted: as `np.isin`, which takes longer."""
    if len(names) < 2:
        return np.asarray(numbers == names[0]) if len(names) else np.zeros(len(numbers), bool)
    return np.asarray(names[np.minimum(names.searchsorted(numbers), len(names) - 1)] == numbers)


def places_of_blocks(blocks: Integers) -> tuple[Integers, Integers]:
    """Return chunk coordinates, int64 (n, 3) as x, y, z, and the blocks' places in their chunks, int64 (n,)."""
    return blocks // CHUNK_SIDE, blocks % CHUNK_SIDE @ _STEPS


def blocks_of_places(chunks: Integers, places: Integers) -> Integers:
    """Return block coordinates, int64 (n, 3) as x, y, z, of places in chunks; `places_of_blocks` backwards."""
    blocks: Integers = chunks * CHUNK_SIDE + places[:, None] // _STEPS % CHUNK_SIDE
    return blocks


@dataclass(frozen=True, slots=True)
class ChunkRows:
    """Rows of several chunks, those of one chunk together.

    Attributes:
        groups: number of the chunk, int64 (r,), sorted.
        places: place of the block in its chunk, int64 (r,), sorted within a chunk.
        supervoxels: uint64 (r,), sorted within a block.
        voxels: int64 (r,).
        surface_groups: number of the chunk, int64 (k,), sorted.
        surface_places: place of the block, int64 (k,), sorted within a chunk.
        surface_ids: mutations, uint64 (k,).
    """

    groups: Integers
    places: Integers
    supervoxels: Labels
    voxels: Integers
    surface_groups: Integers
    surface_places: Integers
    surface_ids: Labels

    def replaced(self, other: ChunkRows) -> ChunkRows:
        """Return the rows of both, those of `other` in place of own ones of the same block and supervoxel."""
        return self._joined(other, adding=False)

    def added(self, other: ChunkRows) -> ChunkRows:
        """Return the rows of both, voxels of the same block and supervoxel added up."""
        return self._joined(other, adding=True)

    def _joined(self, other: ChunkRows, *, adding: bool) -> ChunkRows:
        groups, places, supervoxels, voxels = (
            np.concatenate(pair)
            for pair in (
                (self.groups, other.groups),
                (self.places, other.places),
                (self.supervoxels, other.supervoxels),
                (self.voxels, other.voxels),
            )
        )
        blocks = groups << 9 | places
        order = np.lexsort((supervoxels, blocks))  # stable: own rows come first
        blocks, supervoxels, voxels = blocks[order], supervoxels[order], voxels[order]
        last = np.ones(len(blocks), bool)
        last[:-1] = (blocks[1:] != blocks[:-1]) | (supervoxels[1:] != supervoxels[:-1])
        if adding:
            sums = np.append(0, np.cumsum(voxels))[np.append(0, np.flatnonzero(last) + 1)]
            kept = np.diff(sums)
        else:
            kept = voxels[last]
        there = kept > 0
        blocks, supervoxels, kept = blocks[last][there], supervoxels[last][there], kept[there]
        return ChunkRows(blocks >> 9, blocks & 511, supervoxels, kept, *self._joined_surfaces(other, blocks))

    def _joined_surfaces(self, other: ChunkRows, present: Integers) -> tuple[Integers, Integers, Labels]:
        """Return the mutations of the blocks that are present, the larger where both have one."""
        groups = np.concatenate((self.surface_groups, other.surface_groups))
        blocks = groups << 9 | np.concatenate((self.surface_places, other.surface_places))
        ids = np.concatenate((self.surface_ids, other.surface_ids))
        order = np.lexsort((ids, blocks))
        blocks, ids = blocks[order], ids[order]
        keep = are_among(blocks, present)
        keep[:-1] &= blocks[1:] != blocks[:-1]
        return blocks[keep] >> 9, blocks[keep] & 511, ids[keep]

    def block_numbers(self) -> Integers:
        """Return each block once: number of the chunk * 512 + place, int64, sorted."""
        blocks = self.groups << 9 | self.places
        return blocks[np.append(True, blocks[1:] != blocks[:-1])] if len(blocks) else blocks

    def encoded(self, count: int) -> list[bytes]:
        """Return the stored bytes of so many chunks; one without rows has none either."""
        numbers = np.arange(1, count + 1)
        return kernels.encode_chunks(
            np.searchsorted(self.groups, numbers),
            (self.places, self.supervoxels, self.voxels),
            np.searchsorted(self.surface_groups, numbers),
            (self.surface_places, self.surface_ids),
        )


def joined_chunks(values: Sequence[Buffer]) -> ChunkRows:
    """Return the rows of several stored chunks, numbered in their order.

    Raises:
        CorruptValue: one is damaged.
    """
    chunk, counts, surface_counts = decode_chunks(values)
    numbers = np.arange(len(counts))
    return ChunkRows(
        np.repeat(numbers, counts),
        chunk.places.astype(np.int64),
        chunk.supervoxels.astype(np.uint64),
        chunk.voxels.astype(np.int64),
        np.repeat(numbers, surface_counts),
        chunk.surface_places.astype(np.int64),
        chunk.surface_ids.astype(np.uint64),
    )


def read_chunks(view: View, keys: Sequence[bytes]) -> ChunkRows:
    """Return the rows of chunks, numbered in the order of their keys; one that is not there has none.

    Raises:
        CorruptValue: stored bytes are damaged.
        Conflict: merged branches disagree about one of them.
    """
    return joined_chunks([EMPTY if value is None else value for value in view.multi_get(keys)])


def chunk_keys(bodies: Labels, chunks: Integers) -> list[bytes]:
    """Return the key of each chunk of a body."""
    found: list[Triple] = [(x, y, z) for x, y, z in chunks.tolist()]
    return [chunk_key(body, chunk) for body, chunk in zip(bodies.tolist(), found, strict=True)]

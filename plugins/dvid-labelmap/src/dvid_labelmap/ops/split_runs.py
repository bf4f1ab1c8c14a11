"""The voxels that a split takes off: runs as clients give them, cut at the borders of blocks."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from dvid_labels.runs import decode_rles
from dvid_labels.types import Buffer
from dvid_voxels.geometry import Triple
from numpy.typing import NDArray

from dvid_framework.api import BadRequest
from dvid_labelmap.ops.bounds import bad_input
from dvid_labelmap.ops.index_rows import Integers

__all__ = ["NO_RUNS", "BlockRuns", "count_voxels", "parse_split", "runs_by_block"]

_MOST_RUNS = 16 << 20


class BlockRuns(NamedTuple):
    """Runs within blocks.

    Attributes:
        coordinates: block coordinates, int64 (n, 3) as x, y, z, sorted by z, y, x.
        runs: int64 (m, 4) as x, y, z, length, in voxels from the block's first, those of a block together.
        starts: where the runs of each block begin, int64 (n + 1,).
        voxels: how many each block has, int64 (n,); one that stands in two runs counts twice.
    """

    coordinates: Integers
    runs: Integers
    starts: Integers
    voxels: Integers


_NONE = np.zeros(0, np.int64)
NO_RUNS = BlockRuns(_NONE.reshape(0, 3), _NONE.reshape(0, 4), np.zeros(1, np.int64), _NONE)


def parse_split(body: Buffer) -> NDArray[np.int32]:
    """Return the runs of a sparse volume in the format rles, int32 (n, 4) as x, y, z, length.

    Raises:
        BadRequest: it is no such volume, or an empty one.
    """
    with bad_input():
        runs = decode_rles(body, _MOST_RUNS)
    if not len(runs):
        raise BadRequest("there are no voxels to split off")
    return runs


def count_voxels(runs: NDArray[np.int32]) -> int:
    """Return how many voxels runs have."""
    return int(runs[:, 3].sum(dtype=np.int64))


def runs_by_block(runs: NDArray[np.int32], block_size: Triple) -> BlockRuns:
    """Cut runs at the borders of blocks (x, y, z voxels). How long they are must be bounded before."""
    size = np.array(block_size, np.int64)
    x, y, z, length = runs.astype(np.int64).T
    first, last = x // size[0], (x + length - 1) // size[0]
    pieces = last - first + 1
    owner = np.repeat(np.arange(len(runs)), pieces)
    block_x = first[owner] + np.arange(len(owner)) - np.repeat(np.cumsum(pieces) - pieces, pieces)
    begin = np.maximum(x[owner], block_x * size[0])
    end = np.minimum((x + length)[owner], (block_x + 1) * size[0])
    blocks = np.stack((block_x, y[owner] // size[1], z[owner] // size[2]), axis=1)
    local = np.stack((begin - block_x * size[0], y[owner] % size[1], z[owner] % size[2], end - begin), axis=1)
    order = np.lexsort(blocks.T)
    blocks, local = blocks[order], local[order]
    starts = np.append(np.flatnonzero(np.append(True, (blocks[1:] != blocks[:-1]).any(axis=1))), len(blocks))
    return BlockRuns(blocks[starts[:-1]], local, starts, np.add.reduceat(local[:, 3], starts[:-1]))

"""Voxels in runs get other labels, in numpy: the reference for the native kernel."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dvid_labels import block_codec
from dvid_labels.arguments import BlockRuns, LabelParts, check_block_runs, check_parts, check_threads
from dvid_labels.errors import LabelFormatError
from dvid_labels.types import Buffer, Labels, Shape

__all__ = ["SplitBlocks", "split_blocks"]


class SplitBlocks(NamedTuple):
    """Blocks that were split, and how many voxels of each label lay in the runs.

    Attributes:
        made: the blocks, not gzipped.
        blocks: index of the block, int64 (r,), sorted.
        labels: the label that the voxels had, uint64 (r,), ascending within a block.
        voxels: how many of them lay in the runs, int64 (r,).
        changed: which parts of 8x8x8 voxels of each block have labels that became others, uint8 (n, z, y, x).
    """

    made: list[bytes]
    blocks: NDArray[np.int64]
    labels: Labels
    voxels: NDArray[np.int64]
    changed: NDArray[np.uint8]


def split_blocks(
    payloads: Sequence[Buffer], runs: BlockRuns, block_shape: Shape, parts: LabelParts, threads: int = 2
) -> SplitBlocks:
    """Give the voxels of some labels other ones: those in runs one, those outside of them another.

    Args:
        payloads: the blocks.
        runs: the runs of each block: int64 (m, 4) as x, y, z, length, in voxels from the block's first, those of a
            block together; and where those of each block begin, int64 (n + 1,). A voxel in several runs counts once.
        block_shape: voxels of each block (x, y, z).
        parts: labels that ascend, what their voxels in the runs become, and what the others become, uint64 (k,) each.
        threads: 1 to 8.

    Raises:
        LabelFormatError: a payload is damaged; the text names its index.
        ValueError: an argument is not as described.
    """
    check_threads(threads)
    rows, starts = check_block_runs(runs, block_shape, len(payloads))
    source, inside, outside = check_parts(parts)
    made: list[bytes] = []
    x, y, z = (n // 8 for n in block_shape)
    changed = np.zeros((len(payloads), z, y, x), np.uint8)
    counted: list[tuple[NDArray[np.int64], Labels, NDArray[np.int64]]] = []
    for index, payload in enumerate(payloads):
        try:
            voxels = block_codec.decode_layout(block_codec.open_payload(payload, block_shape))
        except LabelFormatError as error:
            raise error.in_payload(index) from None
        mask = _mask(rows[starts[index] : starts[index + 1]], block_shape)
        places = np.minimum(np.searchsorted(source, voxels), max(len(source) - 1, 0))
        hit = source[places] == voxels if len(source) else np.zeros(voxels.shape, bool)
        chosen, left = hit & mask, hit & ~mask
        changed[index] = hit.reshape(z, 8, y, 8, x, 8).any(axis=(1, 3, 5))
        found, numbers = np.unique(places[chosen], return_counts=True)
        counted.append((np.full(len(found), index, np.int64), source[found], numbers.astype(np.int64)))
        voxels[chosen], voxels[left] = inside[places[chosen]], outside[places[left]]
        made.append(block_codec.encode_block(voxels))
    columns = (
        zip(*counted, strict=True) if counted else ([np.zeros(0, kind)] for kind in (np.int64, np.uint64, np.int64))
    )
    blocks, labels, numbers = (np.concatenate(list(column)) for column in columns)
    return SplitBlocks(made, blocks, labels, numbers, changed)


def _mask(runs: NDArray[np.int64], block_shape: Shape) -> NDArray[np.bool_]:
    """Mark the voxels of runs, bool (z, y, x)."""
    x, y, z = block_shape
    edges = np.zeros(x * y * z + 1, np.int64)
    first = (runs[:, 2] * y + runs[:, 1]) * x + runs[:, 0]
    np.add.at(edges, first, 1)
    np.add.at(edges, first + runs[:, 3], -1)
    return (np.cumsum(edges[:-1]) > 0).reshape(z, y, x)

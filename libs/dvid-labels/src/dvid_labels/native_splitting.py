"""Voxels in runs get other labels, native; `dvid_labels.numpy_splitting` says what the function means."""

from collections.abc import Sequence

import dvid_kernels

from dvid_labels.arguments import BlockRuns, LabelParts, check_block_runs, check_parts, check_threads
from dvid_labels.native_errors import our_errors
from dvid_labels.numpy_splitting import SplitBlocks
from dvid_labels.types import Buffer, Shape

__all__ = ["split_blocks"]


def split_blocks(
    payloads: Sequence[Buffer], runs: BlockRuns, block_shape: Shape, parts: LabelParts, threads: int = 2
) -> SplitBlocks:
    """Give the voxels of some labels in runs one label, and those outside of them another; see the numpy twin.

    Raises:
        LabelFormatError: a payload is damaged; the text names its index.
        ValueError: an argument is not as described.
    """
    rows, starts = check_block_runs(runs, block_shape, len(payloads))
    source, inside, outside = check_parts(parts)
    with our_errors():
        made, numbers, labels, voxels, flags = dvid_kernels.split_blocks(
            payloads, rows, starts, block_shape, source, inside, outside, check_threads(threads)
        )
    kept = voxels > 0
    x, y, z = block_shape
    changed = flags.reshape(len(made), z // 8, y // 8, x // 8)
    return SplitBlocks(made, numbers[kept], labels[kept], voxels[kept], changed)

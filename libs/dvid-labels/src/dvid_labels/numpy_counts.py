"""Voxels counted by label, in numpy: the reference for the native kernels."""

import numpy as np
from numpy.typing import NDArray

from dvid_labels import block_codec
from dvid_labels.arguments import check_threads
from dvid_labels.errors import LabelFormatError
from dvid_labels.layout import check_shape
from dvid_labels.mapping import map_labels
from dvid_labels.types import Labels, Mapping, Payloads, Shape

__all__ = ["count_changes", "label_counts"]


def label_counts(
    payloads: Payloads, block_shape: Shape, mapping: Mapping | None = None, threads: int = 2
) -> tuple[NDArray[np.int64], Labels, NDArray[np.uint32]]:
    """Count the voxels of each label in each block.

    Args:
        payloads: the blocks; None has no rows (not even of label 0).
        block_shape: voxels of each block (x, y, z).
        mapping: sorted unique labels and what they become; labels not found stay.
        threads: 1 to 8.

    Returns:
        Rows sorted by block, then label, label 0 included: index of the payload int64 (r,), label uint64 (r,), voxels
        uint32 (r,).

    Raises:
        LabelFormatError: a payload is damaged; the text names its index.
    """
    check_threads(threads)
    check_shape(block_shape)
    rows: list[tuple[NDArray[np.int64], Labels, NDArray[np.uint32]]] = []
    for index, payload in enumerate(payloads):
        if payload is None:
            continue
        try:
            layout = block_codec.open_payload(payload, block_shape)
            entries = block_codec.table_entries(layout)
        except LabelFormatError as error:
            raise error.in_payload(index) from None
        per_entry = np.bincount(entries.ravel() + 1, minlength=len(layout.table) + 1)
        labels, merged = np.unique(
            np.append(np.zeros(1, np.uint64), map_labels(layout.table, mapping)), return_inverse=True
        )
        counts = np.zeros(len(labels), np.uint32)
        np.add.at(counts, merged.ravel(), per_entry.astype(np.uint32))
        used = counts > 0
        rows.append((np.full(int(used.sum()), index, np.int64), labels[used], counts[used]))
    if not rows:
        return np.zeros(0, np.int64), np.zeros(0, np.uint64), np.zeros(0, np.uint32)
    blocks, names, numbers = zip(*rows, strict=True)
    return np.concatenate(blocks), np.concatenate(names), np.concatenate(numbers)


def count_changes(
    old: Payloads, new: Payloads, block_shape: Shape, threads: int = 2
) -> tuple[NDArray[np.int64], Labels, NDArray[np.int64]]:
    """How overwriting blocks changes the voxels of each label in each of them.

    Args:
        old: the blocks as they were; None is no block.
        new: the blocks that take their places; None is no block.
        block_shape: voxels of each block (x, y, z).
        threads: 1 to 8.

    Returns:
        Rows sorted by block, then label: index of the payload int64 (r,), label uint64 (r,), voxels gained or lost
        int64 (r,). Label 0 and labels whose count stays are left out.

    Raises:
        LabelFormatError: a payload is damaged; the text names its index.
        ValueError: there are not as many old blocks as new ones.
    """
    if len(old) != len(new):
        raise ValueError("there must be one old block for each new one")
    before = label_counts(old, block_shape, None, threads)
    after = label_counts(new, block_shape, None, threads)
    blocks = np.concatenate((before[0], after[0]))
    labels = np.concatenate((before[1], after[1]))
    signed = np.concatenate((-before[2].astype(np.int64), after[2].astype(np.int64)))
    order = np.lexsort((labels, blocks))
    blocks, labels, signed = blocks[order], labels[order], signed[order]
    first = np.ones(len(blocks), bool)
    first[1:] = (blocks[1:] != blocks[:-1]) | (labels[1:] != labels[:-1])
    starts = np.flatnonzero(first)
    deltas = np.add.reduceat(signed, starts) if len(starts) else signed
    blocks, labels = blocks[starts], labels[starts]
    kept = (deltas != 0) & (labels != 0)
    return blocks[kept], labels[kept], deltas[kept]

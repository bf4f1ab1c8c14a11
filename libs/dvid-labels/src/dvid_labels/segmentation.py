"""Neuroglancer's compressed_segmentation in numpy: one channel, blocks of 8x8x8 voxels, uint64.

Word 0 is the channel's offset, 1. Offsets of the channel count 4-byte words from word 1. First, for each block, x
fastest, two words: table offset (24 bits) with bits per value above it, and values offset. Values are packed least
significant bit first. Here all tables come before all values and equal tables are shared, because only the table offset
is short.
"""

import numpy as np
from numpy.typing import NDArray

from dvid_labels.arguments import check_volume
from dvid_labels.errors import LabelFormatError
from dvid_labels.layout import CELLS, SIDE
from dvid_labels.types import Buffer, Labels, Shape

__all__ = ["decode_segmentation", "encode_segmentation"]

_LARGEST_TABLE_OFFSET = (1 << 24) - 1
_WIDTHS = (0, 1, 2, 4, 8, 16)


def encode_segmentation(volume: Labels) -> bytes:
    """Encode a volume.

    Args:
        volume: uint64 (z, y, x), each size a multiple of 8.

    Raises:
        LabelFormatError: the volume has more different tables than the format's 24-bit offsets can reach.
        ValueError: the sizes are not multiples of 8.
    """
    z, y, x = (n // SIDE for n in check_volume(volume).shape)
    cells = volume.reshape(z, SIDE, y, SIDE, x, SIDE).transpose(0, 2, 4, 1, 3, 5).reshape(-1, CELLS)
    heads = np.zeros((len(cells), 2), np.int64)
    tables: list[bytes] = []
    values: list[bytes] = []
    known: dict[bytes, int] = {}
    next_table, next_value = heads.size, 0
    for block, labels in enumerate(cells):
        table, numbers = np.unique(labels, return_inverse=True)
        width = next(width for width in _WIDTHS if 1 << width >= len(table))
        raw = table.astype("<u8").tobytes()
        if raw not in known:
            known[raw] = next_table
            tables.append(raw)
            next_table += 2 * len(table)
        if known[raw] > _LARGEST_TABLE_OFFSET:
            raise LabelFormatError("the volume has too many labels for compressed_segmentation; ask for a smaller one")
        heads[block] = known[raw] | width << 24, next_value
        if width:
            packed = (numbers.reshape(-1, 32 // width) << (np.arange(32 // width) * width)).sum(axis=1)
            values.append(packed.astype("<u4").tobytes())
            next_value += CELLS * width // 32
    heads[:, 1] += next_table
    if next_table + next_value > np.iinfo(np.uint32).max:
        raise LabelFormatError("the volume is too large for compressed_segmentation; ask for a smaller one")
    return b"".join((b"\x01\0\0\0", heads.astype("<u4").tobytes(), *tables, *values))


def decode_segmentation(data: Buffer, size: Shape) -> Labels:
    """Decode a volume.

    Args:
        data: one channel of compressed_segmentation.
        size: voxels (x, y, z), multiples of 8.

    Returns:
        uint64 (z, y, x).

    Raises:
        LabelFormatError: a part is cut off, a width is unknown, or a value is past the end of what follows.
    """
    if any(n <= 0 or n % SIDE for n in size):
        raise ValueError(f"the volume's size {size} is not a multiple of 8")
    x, y, z = (n // SIDE for n in size)
    if memoryview(data).nbytes % 4 or memoryview(data).nbytes < 4 + 8 * x * y * z:
        raise LabelFormatError("the block headers are cut off")
    words = np.frombuffer(data, "<u4")
    if words[0] != 1:
        raise LabelFormatError("it does not have exactly one channel")
    words = words[1:]
    heads = words[: 2 * x * y * z].reshape(-1, 2).astype(np.int64)
    labels = np.empty((len(heads), CELLS), np.uint64)
    widths = heads[:, 0] >> 24
    if not np.isin(widths, _WIDTHS).all():
        raise LabelFormatError("a block has an unknown width")
    for width in np.unique(widths).tolist():
        chosen = np.flatnonzero(widths == width)
        local = _values(words, heads[chosen, 1], width)
        low = (heads[chosen, 0] & _LARGEST_TABLE_OFFSET)[:, None] + 2 * local
        if low.max() + 1 >= len(words):
            raise LabelFormatError("a value is past the end of its table")
        labels[chosen] = words[low].astype(np.uint64) | words[low + 1].astype(np.uint64) << np.uint64(32)
    cells = labels.reshape(z, y, x, SIDE, SIDE, SIDE).transpose(0, 3, 1, 4, 2, 5)
    return np.ascontiguousarray(cells.reshape(size[::-1]))


def _values(words: NDArray[np.uint32], first: NDArray[np.int64], width: int) -> NDArray[np.int64]:
    """Values of blocks of one width, int64 (blocks, 512)."""
    if width == 0:
        return np.zeros((len(first), CELLS), np.int64)
    places = first[:, None] + np.arange(CELLS * width // 32)
    if places.max() >= len(words):
        raise LabelFormatError("the values of a block are cut off")
    shifts = np.arange(32 // width) * width
    values: NDArray[np.int64] = words[places].astype(np.int64)[:, :, None] >> shifts
    return (values & ((1 << width) - 1)).reshape(len(first), CELLS)

"""Label blocks and voxels, in numpy: the reference for the native kernels."""

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from dvid_labels.compression import gunzip
from dvid_labels.errors import LabelFormatError
from dvid_labels.layout import (
    BITS_FOR,
    CELLS,
    MOST_VOXELS,
    SIDE,
    Layout,
    bounded_shape,
    check_shape,
    largest_block,
    parse,
)
from dvid_labels.mapping import map_labels
from dvid_labels.types import Buffer, Labels, Mapping, Shape

__all__ = [
    "block_table",
    "cells_to_volume",
    "check_block",
    "decode_block",
    "decode_layout",
    "encode_block",
    "open_payload",
    "relabel_block",
    "table_entries",
]

_MOST_BITS = 9
Cell = TypeVar("Cell", bound=np.generic)


def open_payload(payload: Buffer, block_shape: Shape) -> Layout:
    """Inflate a payload and take its block apart.

    Raises:
        LabelFormatError: it is not the gzip of a block of that shape, or a length is not what the format allows.
    """
    return parse(gunzip(payload, largest_block(block_shape)), block_shape)


def cells_to_volume(cells: NDArray[Cell], grid: Shape) -> NDArray[Cell]:
    """Put sub-blocks (n, 512) in their places: an array (z, y, x) of `grid` (x, y, z) sub-blocks."""
    x, y, z = grid
    sides = cells.reshape(z, y, x, SIDE, SIDE, SIDE).transpose(0, 3, 1, 4, 2, 5)
    return np.ascontiguousarray(sides.reshape(z * SIDE, y * SIDE, x * SIDE))


def _local_values(layout: Layout) -> NDArray[np.uint16]:
    """Each voxel's index into its sub-block's own list, uint16 (sub-blocks, 512)."""
    local = np.zeros((len(layout.counts), CELLS), np.uint16)
    widths = BITS_FOR[layout.counts]
    for bits in range(1, _MOST_BITS + 1):
        chosen = np.flatnonzero(widths == bits)
        if len(chosen):
            packed = layout.values[layout.first_value[chosen][:, None] + np.arange(64 * bits)]
            unpacked = np.unpackbits(packed, axis=1).reshape(len(chosen), CELLS, bits)
            local[chosen] = unpacked @ (1 << np.arange(bits)[::-1]).astype(np.uint16)
    if (local >= np.maximum(layout.counts, 1)[:, None]).any():
        raise LabelFormatError("a voxel's value is past the end of its sub-block's list")
    return local


def table_entries(layout: Layout) -> NDArray[np.int64]:
    """Table entry of each voxel, int64 (sub-blocks, 512); -1 for label 0 of a sub-block without a list.

    Raises:
        LabelFormatError: a value or an index is past the end of what it points into.
    """
    if layout.solid:
        x, y, z = layout.grid
        return np.zeros((x * y * z, CELLS), np.int64)
    if len(layout.indices) and layout.indices.max() >= len(layout.table):
        raise LabelFormatError("a sub-block names a label that is not in the table")
    places = layout.first_index[:, None] + _local_values(layout)
    # One entry more, for sub-blocks whose empty list begins at the end.
    entries: NDArray[np.int64] = np.append(layout.indices, -1)[places]
    entries[layout.counts == 0] = -1
    return entries


def decode_layout(layout: Layout, mapping: Mapping | None = None) -> Labels:
    """Decode a block that was taken apart.

    Returns:
        uint64 (z, y, x).
    """
    table = np.append(map_labels(layout.table, mapping), np.zeros(1, np.uint64))
    return cells_to_volume(table[table_entries(layout)], layout.grid)


def decode_block(block: Buffer, most_voxels: int = MOST_VOXELS) -> Labels:
    """Decode a label block (not gzipped).

    Args:
        block: a label block; it says its own size.
        most_voxels: larger sizes are refused, because 24 bytes can claim 1024^3 voxels of one label.

    Returns:
        Voxels, uint64 (z, y, x).

    Raises:
        LabelFormatError: the block breaks a rule of the format, or is too large.
    """
    bounded_shape(block, most_voxels)
    return decode_layout(parse(block))


def encode_block(array: Labels) -> bytes:
    """Encode voxels as a label block (not gzipped) without unused table entries.

    Args:
        array: uint64 (z, y, x), each size a multiple of 8 up to 1024.

    Raises:
        ValueError: the sizes are not such.
    """
    z, y, x = array.shape
    check_shape((x, y, z))
    grid = (z // SIDE, y // SIDE, x // SIDE)
    cells = array.reshape(grid[0], SIDE, grid[1], SIDE, grid[2], SIDE).transpose(0, 2, 4, 1, 3, 5).reshape(-1, CELLS)
    table, entries = np.unique(cells, return_inverse=True)
    head = np.array([*grid[::-1], len(table)], "<u4").tobytes() + table.astype("<u8").tobytes()
    if len(table) == 1:
        return head
    entries = entries.reshape(-1, CELLS)
    order = np.argsort(entries, axis=1)
    ascending = np.take_along_axis(entries, order, axis=1)
    first = np.ones(ascending.shape, bool)
    first[:, 1:] = ascending[:, 1:] != ascending[:, :-1]
    local = np.empty(ascending.shape, np.uint16)
    np.put_along_axis(local, order, (np.cumsum(first, axis=1) - 1).astype(np.uint16), axis=1)
    counts = first.sum(axis=1)
    return b"".join(
        (head, counts.astype("<u2").tobytes(), ascending[first].astype("<u4").tobytes(), _pack(local, counts).tobytes())
    )


def _pack(local: NDArray[np.uint16], counts: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Packed values of all sub-blocks."""
    widths = BITS_FOR[counts]
    ends = np.cumsum(64 * widths)
    packed = np.zeros(int(ends[-1]), np.uint8)
    for bits in range(1, _MOST_BITS + 1):
        chosen = np.flatnonzero(widths == bits)
        if len(chosen):
            unpacked = (local[chosen][:, :, None] >> np.arange(bits)[::-1].astype(np.uint16)) & 1
            rows = np.packbits(unpacked.astype(np.uint8).reshape(len(chosen), -1), axis=1)
            packed[(ends[chosen] - 64 * bits)[:, None] + np.arange(64 * bits)] = rows
    return packed


def check_block(block: Buffer, block_shape: Shape) -> None:
    """Check every rule of the format.

    Args:
        block: a label block, not gzipped.
        block_shape: the voxels (x, y, z) that it must have.

    Raises:
        LabelFormatError: a rule is broken.
    """
    table_entries(parse(block, check_shape(block_shape)))


def block_table(block: Buffer) -> Labels:
    """Label table of a block (not gzipped), uint64 (n,), as it stands: any order, perhaps with duplicates.

    Raises:
        LabelFormatError: a length is not what the format allows.
    """
    return parse(block).table


def relabel_block(block: Buffer, mapping: Mapping | None) -> bytes:
    """Map the label table of a block (not gzipped); its voxels follow.

    Raises:
        LabelFormatError: a length is not what the format allows.
    """
    table = map_labels(parse(block).table, mapping)
    rest = memoryview(block)
    return b"".join((rest[:16], table.astype("<u8").tobytes(), rest[16 + 8 * len(table) :]))

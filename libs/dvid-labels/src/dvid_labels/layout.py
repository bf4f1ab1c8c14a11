"""The parts of a DVID label block, with every length checked.

A block is cut into sub-blocks of 8x8x8 voxels, x fastest. All integers are little-endian: three uint32 sizes in
sub-blocks, a uint32 number of labels and that many uint64 labels. If there is more than one: a uint16 number of labels
for each sub-block, their uint32 indices into the label table, and the values of the sub-blocks with two labels or more,
512 each, packed most significant bit first.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dvid_labels.errors import LabelFormatError
from dvid_labels.types import Buffer, Labels, Shape

__all__ = [
    "BITS_FOR",
    "CELLS",
    "MOST_VOXELS",
    "SIDE",
    "Layout",
    "block_shape",
    "bounded_shape",
    "check_shape",
    "largest_block",
    "parse",
]

SIDE = 8
CELLS = SIDE**3
LARGEST_GRID = 128
#: Most voxels of a block of unknown size that is decoded unasked (256^3).
MOST_VOXELS = 1 << 24
SMALLEST_BLOCK = 24
#: Bits per value, by the number of labels of a sub-block (0..512).
BITS_FOR: NDArray[np.int64] = np.array([0] + [(n - 1).bit_length() for n in range(1, CELLS + 1)], dtype=np.int64)


@dataclass(frozen=True, slots=True)
class Layout:
    """A block taken apart.

    Attributes:
        shape: voxels along x, y, z.
        table: labels, uint64 (n,).
        counts: labels of each sub-block, int64 (sub-blocks,); empty if the whole block has one label.
        first_index: where each sub-block's indices begin, int64 (sub-blocks,).
        indices: into `table`, int64 (sum of counts,).
        first_value: where each sub-block's values begin, in bytes, int64 (sub-blocks,).
        values: packed values, uint8.
    """

    shape: Shape
    table: Labels
    counts: NDArray[np.int64]
    first_index: NDArray[np.int64]
    indices: NDArray[np.int64]
    first_value: NDArray[np.int64]
    values: NDArray[np.uint8]

    @property
    def solid(self) -> bool:
        """Whether the block has only one label."""
        return len(self.table) == 1

    @property
    def grid(self) -> Shape:
        """Sub-blocks along x, y, z."""
        x, y, z = self.shape
        return x // SIDE, y // SIDE, z // SIDE


def check_shape(shape: Shape) -> Shape:
    """Check that a block shape (x, y, z) is of multiples of 8, at most 1024.

    Raises:
        ValueError: it is not.
    """
    if len(shape) != 3 or any(n < SIDE or n % SIDE or n > SIDE * LARGEST_GRID for n in shape):
        raise ValueError(f"block shape {shape} is not of multiples of 8 from 8 to 1024")
    return shape


def largest_block(shape: Shape) -> int:
    """Bytes of the largest legal block of a shape; nothing larger is ever inflated."""
    x, y, z = shape
    voxels = x * y * z
    return 16 + 8 * voxels + 2 * (voxels // CELLS) + 4 * voxels + voxels * 9 // 8


def block_shape(block: Buffer) -> Shape:
    """Size of a block in voxels (x, y, z), from its header alone.

    Raises:
        LabelFormatError: the header is cut off, or a size is not 1 to 128 sub-blocks.
    """
    grid = np.frombuffer(block, "<u4", 3).tolist() if memoryview(block).nbytes >= 12 else [0, 0, 0]
    if not all(1 <= n <= LARGEST_GRID for n in grid):
        raise LabelFormatError("the block header is cut off or its size is not 1 to 128 sub-blocks")
    x, y, z = grid
    return x * SIDE, y * SIDE, z * SIDE


def bounded_shape(block: Buffer, most_voxels: int) -> Shape:
    """Size of a block in voxels (x, y, z), if it is not too large.

    Raises:
        LabelFormatError: the header is not legal, or there are more than `most_voxels` voxels.
    """
    x, y, z = block_shape(block)
    if x * y * z > most_voxels:
        raise LabelFormatError(f"the block has {x * y * z} voxels, more than {most_voxels}")
    return x, y, z


class _Reader:
    """Cuts arrays off a buffer, never past its end."""

    def __init__(self, data: Buffer, at: int) -> None:
        self.data = np.frombuffer(data, np.uint8)
        self.at = at

    def take(self, count: int, dtype: str, what: str) -> NDArray[np.generic]:
        end = self.at + count * np.dtype(dtype).itemsize
        if end > len(self.data):
            raise LabelFormatError(f"the {what} is cut off")
        part = self.data[self.at : end].view(dtype)
        self.at = end
        return part


def parse(block: Buffer, shape: Shape | None = None) -> Layout:
    """Take a block apart.

    Args:
        block: a label block, not gzipped.
        shape: the voxels (x, y, z) that it must have; any if None.

    Raises:
        LabelFormatError: a length or count is not what the format allows. Indices and values are checked where they
            are used.
    """
    size = memoryview(block).nbytes
    if size < SMALLEST_BLOCK:
        raise LabelFormatError("the block has fewer than 24 bytes")
    found = block_shape(block)
    if shape is not None and found != tuple(shape):
        raise LabelFormatError(f"the block is of {found} voxels, not {tuple(shape)}")
    voxels = found[0] * found[1] * found[2]
    labels = int(np.frombuffer(block, "<u4", 1, 12)[0])
    if not 1 <= labels <= voxels:
        raise LabelFormatError(f"the label table has {labels} entries")
    reader = _Reader(block, 16)
    table = reader.take(labels, "<u8", "label table").astype(np.uint64)
    counts = np.zeros(0, np.int64)
    if labels > 1:
        counts = reader.take(voxels // CELLS, "<u2", "list of label counts").astype(np.int64)
        if counts.max() > CELLS:
            raise LabelFormatError(f"a sub-block claims {counts.max()} labels")
    lengths = 64 * BITS_FOR[counts]
    indices = reader.take(int(counts.sum()), "<u4", "list of label indices").astype(np.int64)
    values = reader.take(int(lengths.sum()), "u1", "list of values").astype(np.uint8)
    if reader.at != size:
        raise LabelFormatError(f"{size - reader.at} bytes follow the block")
    first_index = np.cumsum(counts) - counts
    first_value = np.cumsum(lengths) - lengths
    return Layout(found, table, counts, first_index, indices, first_value, values)

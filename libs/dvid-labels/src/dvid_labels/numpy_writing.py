"""Volumes cut into label blocks, in numpy."""

from collections.abc import Sequence

import numpy as np

from dvid_labels.arguments import check_threads, check_volume
from dvid_labels.block_codec import encode_block
from dvid_labels.compression import gzip_bytes
from dvid_labels.layout import check_shape
from dvid_labels.types import Buffer, Labels, Shape

__all__ = ["write_blocks", "write_pieces"]


def write_blocks(volume: Labels, block_shape: Shape, threads: int = 2) -> list[bytes]:
    """Cut a volume into blocks and encode them.

    Args:
        volume: C-contiguous uint64 (z, y, x), a whole number of blocks.
        block_shape: voxels of each block (x, y, z).
        threads: 1 to 8.

    Returns:
        The payloads in tiling order (x fastest, then y, then z).

    Raises:
        ValueError: the volume is not a whole number of blocks.
    """
    check_threads(threads)
    x, y, z = check_shape(block_shape)
    volume = check_volume(volume, block_shape)
    depth, height, width = volume.shape
    grid = volume.reshape(depth // z, z, height // y, y, width // x, x).transpose(0, 2, 4, 1, 3, 5)
    return [gzip_bytes(encode_block(grid[index])) for index in np.ndindex(grid.shape[:3])]


def write_pieces(
    pieces: Sequence[Buffer], size: Shape, block_shape: Shape, threads: int = 2
) -> tuple[list[bytes], int]:
    """Cut a volume that came in pieces into blocks and encode them.

    Args:
        pieces: its bytes: uint64, little-endian (z, y, x), one piece behind the other, cut anywhere.
        size: its voxels (x, y, z), a whole number of blocks.
        block_shape: voxels of each block (x, y, z).
        threads: 1 to 8.

    Returns:
        The payloads in tiling order (x fastest, then y, then z), and the largest label.

    Raises:
        ValueError: there are not as many bytes, or the volume is not a whole number of blocks.
    """
    volume = np.frombuffer(b"".join(pieces), "<u8").reshape(size[::-1])
    return write_blocks(volume, block_shape, threads), int(volume.max())

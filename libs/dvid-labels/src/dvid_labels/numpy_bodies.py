"""Voxels of a body out of label blocks, in numpy: the reference for the native kernels."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dvid_labels.arguments import Bounds, check_block_coordinates, check_bounds, check_supervoxels, check_threads
from dvid_labels.block_cache import BlockCache
from dvid_labels.block_codec import cells_to_volume, open_payload, table_entries
from dvid_labels.errors import LabelFormatError
from dvid_labels.layout import SIDE
from dvid_labels.runs import joined_runs
from dvid_labels.types import Buffer, Labels, Payloads, Shape

__all__ = ["body_binary_blocks", "body_runs"]


def _members(payload: Buffer, block_shape: Shape, index: int, supervoxels: Labels) -> NDArray[np.bool_] | None:
    """Which voxels of a block belong to the body, bool (sub-blocks, 512); None if its table names none of it."""
    try:
        layout = open_payload(payload, block_shape)
        # One entry more, for sub-blocks without a list, which are of label 0.
        member = np.isin(np.append(layout.table, np.zeros(1, np.uint64)), supervoxels)
        return member[table_entries(layout)] if member.any() else None
    except LabelFormatError as error:
        raise error.in_payload(index) from None


def body_runs(
    payloads: Payloads,
    coordinates: ArrayLike,
    block_shape: Shape,
    supervoxels: Labels,
    bounds: Bounds | None = None,
    threads: int = 2,
    cache: BlockCache | None = None,
) -> NDArray[np.int32]:
    """Find the voxels of a body, as runs along x.

    Runs never join across z, so a huge body can be had in parts: the answers for the slabs of `runs.block_slabs`, one
    after the other, are the answer for all of its blocks.

    Args:
        payloads: the blocks, in any order; None is passed over. One outside the bounds is not looked at, and in one
            whose table has none of the supervoxels no voxel is.
        coordinates: block coordinates (voxel / block shape, floor), integers (n, 3) as x, y, z, no two alike.
        block_shape: voxels of each block (x, y, z).
        supervoxels: labels of the body, uint64 (k,), ascending, each once.
        bounds: lowest and highest voxel (x, y, z) that may be given, both within; all if None.
        threads: 1 to 8.
        cache: where inflated blocks are looked for first, and kept.

    Returns:
        int32 (m, 4): first voxel x, y, z and length of each run. Runs are as long as they can be, also across blocks,
        and sorted by z, y, x.

    Raises:
        LabelFormatError: a payload is damaged where it was looked at; the text names its index.
        ValueError: an argument is not as described.
    """
    del cache
    check_threads(threads)
    firsts = check_block_coordinates(coordinates, block_shape, len(payloads))
    members = check_supervoxels(supervoxels)
    low, high = (np.array(corner, np.int64) for corner in check_bounds(bounds))
    parts = [np.zeros((0, 4), np.int64)]
    for index, (payload, first) in enumerate(zip(payloads, firsts, strict=True)):
        start = np.maximum(first, low)
        end = np.minimum(first + block_shape, high + 1)
        if payload is None or (start >= end).any():
            continue
        cells = _members(payload, block_shape, index, members)
        if cells is None:
            continue
        x, y, z = block_shape
        voxels = cells_to_volume(cells, (x // SIDE, y // SIDE, z // SIDE))
        inside = tuple(slice(a, b) for a, b in zip((start - first)[::-1], (end - first)[::-1], strict=True))
        parts.append(_runs_of(voxels[inside]) + np.append(start, 0))
    return joined_runs(np.concatenate(parts))


def _runs_of(voxels: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Runs along x of a bool (z, y, x): int64 (m, 4) as x, y, z, length, sorted by z, y, x."""
    edges = np.diff(np.pad(voxels, ((0, 0), (0, 0), (1, 1))).astype(np.int8), axis=2)
    starts, ends = np.argwhere(edges == 1), np.argwhere(edges == -1)
    return np.concatenate((starts[:, ::-1], ends[:, 2:] - starts[:, 2:]), axis=1)


def body_binary_blocks(
    payloads: Payloads,
    coordinates: ArrayLike,
    block_shape: Shape,
    supervoxels: Labels,
    threads: int = 2,
    cache: BlockCache | None = None,
) -> list[bytes]:
    """Find the voxels of a body, as binary blocks.

    Args:
        payloads: the blocks; None is passed over.
        coordinates: block coordinates (voxel / block shape, floor), integers (n, 3) as x, y, z, no two alike.
        block_shape: voxels of each block (x, y, z).
        supervoxels: labels of the body, uint64 (k,), ascending, each once.
        threads: 1 to 8.
        cache: where inflated blocks are looked for first, and kept.

    Returns:
        For each block that holds some of the body, in the order given, what follows `runs.binary_blocks_header`: int32
        x, y, z of its first voxel, uint8 1 (all of it) or 2 (some), and after a 2 for each sub-block, x fastest, 0, 1,
        or 2 and 64 bytes, a bit for each voxel, x fastest, least significant bit first.

    Raises:
        LabelFormatError: a payload is damaged where it was looked at; the text names its index.
        ValueError: an argument is not as described.
    """
    del cache
    check_threads(threads)
    firsts = check_block_coordinates(coordinates, block_shape, len(payloads))
    members = check_supervoxels(supervoxels)
    pieces: list[bytes] = []
    for index, (payload, first) in enumerate(zip(payloads, firsts, strict=True)):
        cells = None if payload is None else _members(payload, block_shape, index, members)
        if cells is not None and cells.any():
            pieces.append(first.astype("<i4").tobytes() + _binary_block(cells))
    return pieces


def _binary_block(cells: NDArray[np.bool_]) -> bytes:
    """Flags and bits of a block that holds some of the body, from bool (sub-blocks, 512)."""
    if cells.all():
        return b"\1"
    bits = np.packbits(cells, axis=1, bitorder="little")
    flags = np.where(cells.all(axis=1), 1, np.where(cells.any(axis=1), 2, 0)).tolist()
    return b"\2" + b"".join(
        b"\2" + row.tobytes() if flag == 2 else bytes((flag,)) for flag, row in zip(flags, bits, strict=True)
    )

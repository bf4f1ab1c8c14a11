"""Blocks as they are sent: rows of voxels, and streams of blocks with their coordinates."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from dvid_voxels.block_codec import Buffer
from dvid_voxels.geometry import INT32_MAX, INT32_MIN, Box, Triple

from dvid_framework.api import BadRequest
from dvid_imageblk.codec import StoredForm
from dvid_imageblk.ops.bounds import MOST_BYTES
from dvid_imageblk.ops.volumes import Batch, VolumeRead

__all__ = ["HEADER_BYTES", "check_compression", "row_at_hand", "row_bytes", "row_pieces", "stream_pieces"]

HEADER_BYTES = 16
"""What comes before each block of a stream."""
_PIECE_BYTES = 4 << 20


def check_compression(word: str, form: StoredForm) -> bool:
    """Tell whether blocks are asked for as voxels (`uncompressed`), or else as they are kept.

    Raises:
        BadRequest: it is none of these.
    """
    if word in ("", "uncompressed") or word == form.word == "jpeg":
        return word == "uncompressed"
    if word == "jpeg":
        raise BadRequest("the blocks of this instance are not kept as JPEG: ask for compression=uncompressed")
    raise BadRequest(f"unknown compression {word[:20]!r}; uncompressed, jpeg and none at all are allowed")


def row_bytes(read: VolumeRead, first: Triple, span: int) -> int:
    """Return how many bytes a row of blocks has.

    Raises:
        BadRequest: they are too many, or the row leaves 32-bit coordinates.
    """
    size = span * read.block_bytes
    if size > MOST_BYTES:
        raise BadRequest(f"{span} blocks are {size} bytes; at most {MOST_BYTES} can be asked for at once")
    if not INT32_MIN <= first[0] + span <= INT32_MAX:
        raise BadRequest("block coordinates must be integers of 32 bits")
    return size


def row_at_hand(read: VolumeRead, first: Triple, span: int) -> list[bytes] | None:
    """Return the voxels of a row of blocks, each block by itself, if they are few and in memory, else None."""
    if span * read.block_bytes > _PIECE_BYTES:
        return None
    x, y, z = first
    blocks = read.blocks_at_hand([(number, y, z) for number in range(x, x + span)])
    if blocks is None:
        return None
    unset = bytes([read.background]) * read.block_bytes if None in blocks else b""
    return [unset if block is None else block for block in blocks]


def row_pieces(read: VolumeRead, first: Triple, span: int) -> Iterator[memoryview]:
    """Yield the voxels of a row of blocks along x, each block by itself (z, y, x), a few at a time.

    Raises:
        CorruptValue: a stored block is damaged.
    """
    step = max(1, _PIECE_BYTES // read.block_bytes)
    for at in range(first[0], first[0] + span, step):
        count = min(step, first[0] + span - at)
        coordinates = np.array([(number, first[1], first[2]) for number in range(at, at + count)], np.int64)
        yield read.read_blocks(coordinates).data.cast("B")


def stream_pieces(read: VolumeRead, where: Box | Sequence[Triple], *, raw: bool) -> Iterator[bytes]:
    """Yield a stream of blocks: for each int32 x, y, z, number of bytes, and the bytes; a few megabytes at a time.

    Args:
        read: how they are read.
        where: see `VolumeRead.batches`.
        raw: likewise.

    Raises:
        CorruptValue: a stored block is damaged.
    """
    return map(_joined, read.batches(where, raw=raw))


def _joined(batch: Batch) -> bytes:
    places, bodies = batch
    heads = np.empty((len(places), 4), "<i4")
    heads[:, :3] = places
    heads[:, 3] = [memoryview(body).nbytes for body in bodies]
    packed = heads.tobytes()
    parts: list[Buffer] = []
    for number, body in enumerate(bodies):
        parts += [packed[HEADER_BYTES * number : HEADER_BYTES * (number + 1)], body]
    return b"".join(parts)

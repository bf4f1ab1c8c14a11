"""Blocks as they are sent: rows of voxels, and streams of blocks with their coordinates."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from dvid_voxels.block_codec import Buffer
from dvid_voxels.geometry import INT32_MAX, INT32_MIN, Box, Triple

from dvid_framework.api import BadRequest
from dvid_imageblk.codec import StoredForm
from dvid_imageblk.ops.bounds import MOST_BYTES
from dvid_imageblk.ops.stored import places_of
from dvid_imageblk.ops.volumes import Batch, VolumeRead

__all__ = [
    "HEADER_BYTES",
    "check_compression",
    "row_at_hand",
    "row_bytes",
    "row_pieces",
    "stream_at_hand",
    "stream_pieces",
]

HEADER_BYTES = 16
"""What comes before each block of a stream."""
_PIECE_BYTES = 4 << 20
_AT_HAND_BYTES = 32 << 20  # that are sent from memory at once
_AT_HAND_BLOCKS = 1024  # that are looked for there
_SMALL_BLOCK = 8 << 10  # is quicker copied than sent by itself


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


def row_at_hand(read: VolumeRead, first: Triple, span: int) -> list[Buffer] | None:
    """Return the voxels of a row of blocks, each block by itself, if all are in memory, else None."""
    if not _may_be_at_hand(read, span):
        return None
    x, y, z = first
    blocks = read.blocks_at_hand([(number, y, z) for number in range(x, x + span)])
    if blocks is None:
        return None
    unset = bytes([read.background]) * read.block_bytes if None in blocks else b""
    return _worth_sending(read, [unset if block is None else block for block in blocks])


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


def stream_at_hand(read: VolumeRead, where: Box | Sequence[Triple]) -> list[Buffer] | None:
    """Return the parts of a stream of blocks as voxels if all are in memory, else None: nothing is copied."""
    if not _may_be_at_hand(read, where.voxels if isinstance(where, Box) else len(where)):
        return None
    places = places_of(where) if isinstance(where, Box) else where
    known = read.blocks_at_hand(places)
    if known is None:
        return None
    found = [(place, block) for place, block in zip(places, known, strict=True) if block is not None]
    return _worth_sending(read, _parts([place for place, _ in found], [block for _, block in found]))


def _worth_sending(read: VolumeRead, parts: list[Buffer]) -> list[Buffer]:
    """Join the parts of small blocks."""
    return [b"".join(parts)] if parts and read.block_bytes < _SMALL_BLOCK else parts


def _may_be_at_hand(read: VolumeRead, count: int) -> bool:
    return count <= _AT_HAND_BLOCKS and count * read.block_bytes <= _AT_HAND_BYTES


def _joined(batch: Batch) -> bytes:
    return b"".join(_parts(*batch))


def _parts(places: Sequence[Triple], bodies: Sequence[Buffer]) -> list[Buffer]:
    heads = np.empty((len(places), 4), "<i4")
    heads[:, :3] = np.array(places, np.int64).reshape(-1, 3)
    heads[:, 3] = [memoryview(body).nbytes for body in bodies]
    packed = heads.tobytes()
    parts: list[Buffer] = []
    for number, body in enumerate(bodies):
        parts += [packed[HEADER_BYTES * number : HEADER_BYTES * (number + 1)], body]
    return parts

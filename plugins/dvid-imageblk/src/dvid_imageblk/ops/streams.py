"""Blocks as they are sent: rows of voxels, and streams of blocks with their coordinates."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

import numpy as np
from dvid_voxels import kernels
from dvid_voxels.block_codec import Buffer
from dvid_voxels.geometry import Triple

from dvid_framework.api import BadRequest
from dvid_imageblk.codec import StoredForm
from dvid_imageblk.ops.bounds import MOST_BYTES, THREADS, stored_blocks
from dvid_imageblk.ops.stored import Found
from dvid_imageblk.ops.volumes import VolumeRead

__all__ = ["check_compression", "row_bytes", "row_pieces", "stream_pieces"]

_BATCH_BYTES = 4 << 20
_MOST_BATCH = 256
_HEADER_BYTES = 16


def check_compression(word: str, form: StoredForm) -> str:
    """Check in which form blocks are asked for: `uncompressed`, or as they are kept.

    Raises:
        BadRequest: it is none of these.
    """
    if word in ("", "uncompressed") or word == form.word == "jpeg":
        return word
    if word == "jpeg":
        raise BadRequest("the blocks of this instance are not kept as JPEG: ask for compression=uncompressed")
    raise BadRequest(f"unknown compression {word[:20]!r}; uncompressed, jpeg and none at all are allowed")


def row_bytes(read: VolumeRead, first: Triple, span: int) -> int:
    """Return how many bytes a row of blocks has.

    Raises:
        BadRequest: they are too many, or the row leaves 32-bit coordinates.
    """
    x, y, z = read.block_size
    size = span * x * y * z * read.voxels.bytes
    if size > MOST_BYTES:
        raise BadRequest(f"{span} blocks are {size} bytes; at most {MOST_BYTES} can be asked for at once")
    if any(not -(2**31) <= n < 2**31 for n in (*first, first[0] + span)):
        raise BadRequest("block coordinates must be integers of 32 bits")
    return size


def row_pieces(read: VolumeRead, first: Triple, span: int) -> Iterator[memoryview]:
    """Yield the voxels of a row of blocks along x, each block by itself (z, y, x), a few at a time.

    Raises:
        CorruptValue: a stored block is damaged.
    """
    x, y, z = read.block_size
    step = _batch(x * y * z * read.voxels.bytes)
    for at in range(first[0], first[0] + span, step):
        count = min(step, first[0] + span - at)
        coordinates = np.array([(number, first[1], first[2]) for number in range(at, at + count)], np.int64)
        yield read.read_blocks(coordinates).data.cast("B")


def _batch(block_bytes: int) -> int:
    return max(1, min(_MOST_BATCH, _BATCH_BYTES // block_bytes))


def stream_pieces(found: Iterable[Found], read: VolumeRead, compression: str) -> Iterator[Buffer]:
    """Yield a stream of blocks: for each int32 x, y, z, number of bytes, and the bytes; a few megabytes at a time.

    Args:
        found: the blocks.
        read: how they are stored.
        compression: as `check_compression` allows.

    Raises:
        CorruptValue: a stored block is damaged.
    """
    x, y, z = read.block_size
    size = x * y * z * read.voxels.bytes
    blocks, batch = iter(found), _batch(size)
    while members := list(islice(blocks, batch)):
        coordinates = [coordinate for coordinate, _ in members]
        payloads = [payload for _, payload in members]
        yield _joined(coordinates, _sent(coordinates, payloads, read, compression, size))


def _sent(
    coordinates: Sequence[Triple], payloads: Sequence[Buffer], read: VolumeRead, compression: str, size: int
) -> Sequence[Buffer]:
    if compression != "uncompressed" and read.form.is_sent_as_stored:
        return payloads
    with stored_blocks(read.scale, coordinates):
        voxels = kernels.decode_blocks(payloads, read.form.codec, size, THREADS)
    if compression == "uncompressed":
        return voxels
    return [read.form.sent(payload, raw) for payload, raw in zip(payloads, voxels, strict=True)]


def _joined(coordinates: Sequence[Triple], bodies: Sequence[Buffer]) -> bytes:
    heads = np.empty((len(coordinates), 4), "<i4")
    heads[:, :3] = coordinates
    heads[:, 3] = [memoryview(body).nbytes for body in bodies]
    packed = heads.tobytes()
    parts: list[Buffer] = []
    for number, body in enumerate(bodies):
        parts += [packed[_HEADER_BYTES * number : _HEADER_BYTES * (number + 1)], body]
    return b"".join(parts)

"""Parts of the index of a body in 8x8x8 blocks, as labelmap stores them: columns of rows.

Two uint32 counts n and k, then n uint64 supervoxels, k uint64 mutations, n uint32 voxels, n uint16 places, and k uint16
places of blocks that the mutations changed; all little-endian.
"""

import struct
from collections.abc import Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from dvid_labels.errors import LabelFormatError
from dvid_labels.types import Buffer, Labels

__all__ = ["CHUNK_SIDE", "Chunk", "Columns", "decode_chunk", "decode_chunks", "encode_chunk"]

CHUNK_SIDE = 8
"""Blocks of a chunk along each axis."""
_HEAD = struct.Struct("<II")
_ROW_BYTES, _SURFACE_BYTES = 14, 10
_MANY_CHUNKS = 16
_Places: TypeAlias = NDArray[np.uint16]


class Chunk(NamedTuple):
    """The part of a body's index in 8x8x8 blocks; the place of a block is z * 64 + y * 8 + x within them.

    Attributes:
        places: uint16 (n,), sorted; several rows for a block with several supervoxels.
        supervoxels: uint64 (n,), sorted within a block.
        voxels: uint32 (n,), how many of them are in the block; never 0.
        surface_places: uint16 (k,), sorted: blocks that a mutation of the body changed.
        surface_ids: uint64 (k,), the last mutation that did.
    """

    places: _Places
    supervoxels: Labels
    voxels: NDArray[np.uint32]
    surface_places: _Places
    surface_ids: Labels


def encode_chunk(chunk: Chunk) -> bytes:
    """Return the stored bytes: two counts, then column by column."""
    places, supervoxels, voxels, surface_places, surface_ids = chunk
    return b"".join(
        (
            _HEAD.pack(len(places), len(surface_places)),
            supervoxels.tobytes(),
            surface_ids.tobytes(),
            voxels.tobytes(),
            places.tobytes(),
            surface_places.tobytes(),
        )
    )


def decode_chunk(value: Buffer) -> Chunk:
    """Return a chunk of its stored bytes.

    Raises:
        LabelFormatError: they are not such.
    """
    try:
        n, k = _HEAD.unpack_from(value)
        at = _HEAD.size
        if len(value) != at + n * _ROW_BYTES + k * _SURFACE_BYTES:
            raise ValueError("its length is wrong")
        supervoxels = np.frombuffer(value, "<u8", n, at)
        ids = np.frombuffer(value, "<u8", k, at + 8 * n)
        at += 8 * (n + k)
        voxels = np.frombuffer(value, "<u4", n, at)
        places = np.frombuffer(value, "<u2", n, at + 4 * n)
        return Chunk(places, supervoxels, voxels, np.frombuffer(value, "<u2", k, at + 6 * n), ids)
    except (struct.error, ValueError) as error:
        raise LabelFormatError(f"a part of an index is damaged: {error}") from error


class Columns(NamedTuple):
    """The rows of several chunks one behind the other, and how many each has.

    Attributes:
        chunk: all rows, as in `Chunk`.
        counts: rows of each chunk, int64.
        surface_counts: marked blocks of each chunk, int64.
    """

    chunk: Chunk
    counts: NDArray[np.int64]
    surface_counts: NDArray[np.int64]


def decode_chunks(values: Sequence[Buffer]) -> Columns:
    """Return the rows of several chunks of their stored bytes, by few steps however many they are.

    Raises:
        LabelFormatError: one is damaged.
    """
    if len(values) < _MANY_CHUNKS:
        chunks = [decode_chunk(value) for value in values] or [decode_chunk(bytes(_HEAD.size))]
        joined = Chunk(*(np.concatenate(column) for column in zip(*chunks, strict=True)))
        counts = np.array([(len(chunk.places), len(chunk.surface_places)) for chunk in chunks], np.int64)[: len(values)]
        return Columns(joined, counts[:, 0], counts[:, 1])
    sizes = np.array([len(value) for value in values])
    raw = np.frombuffer(b"".join(values), np.uint8)
    starts = np.cumsum(sizes) - sizes
    if (sizes < _HEAD.size).any():
        raise LabelFormatError("a part of an index is cut off")
    heads = raw[starts[:, None] + np.arange(_HEAD.size)].view("<u4").astype(np.int64)
    n, k = heads[:, 0], heads[:, 1]
    if (sizes != _HEAD.size + n * _ROW_BYTES + k * _SURFACE_BYTES).any():
        raise LabelFormatError("the length of a part of an index is wrong")
    at = starts + _HEAD.size
    ids = at + 8 * n
    voxels = ids + 8 * k
    places = voxels + 4 * n
    chunk = Chunk(
        _gathered(raw, places, n, "<u2"),
        _gathered(raw, at, n, "<u8"),
        _gathered(raw, voxels, n, "<u4"),
        _gathered(raw, places + 2 * n, k, "<u2"),
        _gathered(raw, ids, k, "<u8"),
    )
    return Columns(chunk, n, k)


def _gathered(raw: NDArray[np.uint8], starts: NDArray[np.int64], counts: NDArray[np.int64], kind: str) -> NDArray[Any]:
    """Return numbers that stand in several places of some bytes: at each start so many, one behind the other."""
    width = np.dtype(kind).itemsize
    ranks = np.arange(int(counts.sum())) - np.repeat(np.cumsum(counts) - counts, counts)
    at = np.repeat(starts, counts) + ranks * width
    found: NDArray[Any] = raw[at[:, None] + np.arange(width)].view(kind).ravel()
    return found

"""Stored forms of bodies: parts of an index as columns, and summaries."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import msgspec
import numpy as np
from dvid_labels import index_chunks
from dvid_labels.errors import LabelFormatError
from dvid_labels.index_chunks import CHUNK_SIDE, Chunk, Columns, encode_chunk
from dvid_labels.types import Buffer, Labels
from dvid_voxels.geometry import Triple
from numpy.typing import NDArray

from dvid_framework.api import CorruptValue

__all__ = [
    "CHUNK_SIDE",
    "PLAIN_SUMMARY",
    "Chunk",
    "Columns",
    "Summary",
    "damaged_index",
    "decode_chunk",
    "decode_chunks",
    "decode_sizes",
    "decode_summary",
    "encode_chunk",
    "encode_summary",
    "stored_chunks",
    "summary_columns",
]

_SUMMARY = struct.Struct("<QQQ6iQ")
_SIZES = struct.Struct("<QQ")
PLAIN_SUMMARY = _SUMMARY.size
"""Bytes of a summary without texts."""
_COLUMNS = np.dtype([("sizes", "<u8", 3), ("low", "<i4", 3), ("high", "<i4", 3), ("mutation", "<u8")])
_texts = msgspec.msgpack.Decoder(tuple[str, str, str]).decode
_packed = msgspec.msgpack.Encoder().encode


def damaged_index(error: LabelFormatError) -> CorruptValue:
    """Return what is said of stored bytes that the libraries refuse."""
    return CorruptValue(f"a part of a body's index is damaged: {error}")


@contextmanager
def stored_chunks() -> Iterator[None]:
    """Say of bytes that the libraries refuse that they are stored ones.

    Raises:
        CorruptValue: the libraries' sentence.
    """
    try:
        yield
    except LabelFormatError as error:
        raise damaged_index(error) from error


def decode_chunk(value: Buffer) -> Chunk:
    """Return a chunk of its stored bytes.

    Raises:
        CorruptValue: they are not such.
    """
    with stored_chunks():
        return index_chunks.decode_chunk(value)


def decode_chunks(values: Sequence[Buffer]) -> Columns:
    """Return the rows of several chunks of their stored bytes, by few steps however many they are.

    Raises:
        CorruptValue: one is damaged.
    """
    with stored_chunks():
        return index_chunks.decode_chunks(values)


class Summary(NamedTuple):
    """What is known of a body as a whole.

    Attributes:
        voxels: how many it has.
        own_voxels: how many of them are of the supervoxel with the body's own id.
        blocks: how many blocks hold some of it.
        low: smallest block coordinate (x, y, z) along each axis.
        high: largest block coordinate.
        mutation_id: the last mutation of the body; 0 if only voxels were written.
        time: when that was, RFC 3339.
        user: who did it.
        app: with which application.
    """

    voxels: int
    own_voxels: int
    blocks: int
    low: Triple
    high: Triple
    mutation_id: int = 0
    time: str = ""
    user: str = ""
    app: str = ""


def encode_summary(summary: Summary) -> bytes:
    """Return the stored bytes."""
    voxels, own, blocks, low, high, mutation_id, time, user, app = summary
    fixed = _SUMMARY.pack(voxels, own, blocks, *low, *high, mutation_id)
    return fixed + _packed((time, user, app)) if time or user or app else fixed


def decode_summary(value: Buffer) -> Summary:
    """Return a summary of its stored bytes.

    Raises:
        CorruptValue: they are not such.
    """
    try:
        voxels, own, blocks, x0, y0, z0, x1, y1, z1, mutation_id = _SUMMARY.unpack_from(value)
        texts: Sequence[str] = ("", "", "")
        if len(value) > _SUMMARY.size:
            texts = _texts(memoryview(value)[_SUMMARY.size :])
    except (struct.error, msgspec.MsgspecError, ValueError) as error:
        raise CorruptValue(f"what is known of a body is damaged: {error}") from error
    return Summary(voxels, own, blocks, (x0, y0, z0), (x1, y1, z1), mutation_id, *texts)


def decode_sizes(value: Buffer | None) -> tuple[int, int]:
    """Return how many voxels a body has, and how many of its own id; 0 of what is no body.

    Raises:
        CorruptValue: the stored summary is cut off.
    """
    if value is None:
        return 0, 0
    if len(value) < PLAIN_SUMMARY:
        raise CorruptValue("what is known of a body is damaged: it is cut off")
    sizes: tuple[int, int] = _SIZES.unpack_from(value)
    return sizes


def summary_columns(heads: bytes) -> tuple[NDArray[np.int64], NDArray[np.int64], Labels]:
    """Return columns of many summaries: low and high, int64 (n, 3) as x, y, z, and mutations, uint64 (n,).

    Args:
        heads: the first bytes of each, without texts.

    Raises:
        CorruptValue: they are cut off.
    """
    if len(heads) % PLAIN_SUMMARY:
        raise CorruptValue("what is known of a body is damaged: it is cut off")
    rows = np.frombuffer(heads, _COLUMNS)
    return rows["low"].astype(np.int64), rows["high"].astype(np.int64), rows["mutation"].astype(np.uint64)

"""Records of whole bodies, as labelmap stores them: what is known of a body, and all parts of its index.

The head is three uint64 (voxels, those of the supervoxel with the body's own id, and blocks), six int32 (the smallest
and the largest block coordinate, x, y, z each) and a uint64 (the last mutation). Then uint32 0xC1; the bytes of three
texts (time, user and application of that mutation) and the number of parts, uint32 each; the texts, UTF-8; for each
part int32 x, y, z of its chunk and the uint32 number of its bytes; and the parts, as `dvid_labels.index_chunks` says.
All little-endian.
"""

import struct
from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

from numpy import int64
from numpy.typing import NDArray

from dvid_labels.errors import LabelFormatError
from dvid_labels.types import Buffer, Labels, Shape

__all__ = [
    "HEAD_BYTES",
    "Record",
    "RecordRows",
    "Stamp",
    "Summary",
    "decode_head",
    "decode_known",
    "decode_record",
    "encode_head",
    "encode_record",
    "is_whole",
]

_HEAD = struct.Struct("<QQQ6iQ")
_FRAME = struct.Struct("<IIIII")
_PART = struct.Struct("<iiiI")
_WHOLE = 0xC1
HEAD_BYTES = _HEAD.size
"""Bytes of what is known of a body without texts and parts."""

RecordRows: TypeAlias = tuple[NDArray[int64], Labels, NDArray[int64]]
"""Rows of bodies: block coordinates (n, 3) as x, y, z; supervoxels (n,); how many voxels each has in the block (n,)."""


class Stamp(NamedTuple):
    """What a mutation of a body leaves in its record."""

    mutation_id: int
    time: str
    user: str
    app: str


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
    low: Shape
    high: Shape
    mutation_id: int = 0
    time: str = ""
    user: str = ""
    app: str = ""


class Record(NamedTuple):
    """A whole body.

    Attributes:
        summary: what is known of it.
        corners: chunk coordinate (x, y, z) of each part of its index.
        chunks: their stored bytes.
    """

    summary: Summary
    corners: list[Shape]
    chunks: list[Buffer]


def encode_head(summary: Summary) -> bytes:
    """Return what is stored of a body but for texts and parts."""
    return _HEAD.pack(*summary[:3], *summary.low, *summary.high, summary.mutation_id)


def decode_head(value: Buffer) -> Summary:
    """Return what is known of a body but for its texts.

    Raises:
        LabelFormatError: it is cut off.
    """
    if len(value) < HEAD_BYTES:
        raise LabelFormatError("what is known of a body is cut off")
    voxels, own, blocks, x0, y0, z0, x1, y1, z1, mutation_id = _HEAD.unpack_from(value)
    return Summary(voxels, own, blocks, (x0, y0, z0), (x1, y1, z1), mutation_id)


def is_whole(value: Buffer) -> bool:
    """Tell whether stored bytes are a record of a whole body, and not of one whose index is stored apart."""
    return len(value) > HEAD_BYTES and value[HEAD_BYTES] == _WHOLE


def encode_record(summary: Summary, corners: Sequence[Shape], chunks: Sequence[Buffer]) -> bytes:
    """Return the stored bytes of a whole body: what is known of it, chunk coordinates (x, y, z), and its chunks."""
    texts = [text.encode() for text in summary[-3:]]
    parts = [_PART.pack(*corner, len(chunk)) for corner, chunk in zip(corners, chunks, strict=True)]
    frame = _FRAME.pack(_WHOLE, *map(len, texts), len(parts))
    return b"".join((encode_head(summary), frame, *texts, *parts, *chunks))


def decode_known(value: Buffer) -> tuple[Summary, int, int]:
    """Return what a record of a whole body knows of it, where its list of parts begins, and how many these are.

    Raises:
        LabelFormatError: it is no such record, or cut off before its parts.
    """
    view = memoryview(value)
    if len(view) < HEAD_BYTES + _FRAME.size:
        raise LabelFormatError("what is known of a body is cut off")
    mark, *lengths, count = _FRAME.unpack_from(view, HEAD_BYTES)
    if mark != _WHOLE:
        raise LabelFormatError("a record is not one of a whole body")
    at = HEAD_BYTES + _FRAME.size
    if len(view) < at + sum(lengths) + count * _PART.size:
        raise LabelFormatError("what is known of a body is cut off")
    texts = []
    for length in lengths:
        try:
            texts.append(str(view[at : at + length], "utf-8"))
        except UnicodeDecodeError as error:
            raise LabelFormatError("a text of what is known of a body is not UTF-8") from error
        at += length
    return decode_head(view)._replace(time=texts[0], user=texts[1], app=texts[2]), at, count


def decode_record(value: Buffer) -> Record:
    """Return a whole body of its stored bytes; its chunks are not looked into.

    Raises:
        LabelFormatError: they are not such.
    """
    (summary, at, count), view = decode_known(value), memoryview(value)
    corners: list[Shape] = []
    chunks: list[Buffer] = []
    end = at + count * _PART.size
    for x, y, z, size in _PART.iter_unpack(view[at:end]):
        corners.append((x, y, z))
        chunks.append(view[end : end + size])
        end += size
    if end != len(view):
        raise LabelFormatError("the length of what is known of a body is wrong")
    return Record(summary, corners, chunks)

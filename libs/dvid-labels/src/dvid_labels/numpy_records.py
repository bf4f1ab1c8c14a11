"""Answers out of stored bodies, in numpy: what the native kernels mean, and what runs without them."""

from collections.abc import Sequence
from itertools import starmap

import lz4.block
import numpy as np
from numpy.typing import NDArray

from dvid_labels.body_records import HEAD_BYTES, Record, Summary, decode_head, decode_record, is_whole
from dvid_labels.index_chunks import CHUNK_SIDE, Chunk, Columns, decode_chunks, encode_chunk
from dvid_labels.label_indices import LabelIndices
from dvid_labels.numpy_messages import index_messages
from dvid_labels.runs import coarse_runs, encode_rles
from dvid_labels.types import Buffer, Labels, Shape
from dvid_labels.wire import bytes_field

__all__ = [
    "encode_chunks",
    "record_blocks",
    "record_coarse_rles",
    "record_message",
    "record_messages",
    "record_supervoxel_sizes",
    "stored_sizes",
]

_STEPS = np.array((1, CHUNK_SIDE, CHUNK_SIDE**2))
_LZ4 = b"\x80"
_NOTHING = Record(Summary(0, 0, 0, (0, 0, 0), (0, 0, 0)), [], [])


def record_message(label: int, record: Buffer) -> bytes:
    """Encode the LabelIndex of a body.

    Args:
        label: the body.
        record: its stored record, whole.

    Raises:
        LabelFormatError: the record is damaged.
        ValueError: a coordinate is out of range.
    """
    (message,) = index_messages(_indices([label], [decode_record(record)]))
    return message


def record_messages(labels: Labels, records: Sequence[Buffer | None], *, compressed: bool) -> bytes | None:
    """Encode the indices of many bodies.

    Args:
        labels: the bodies, uint64 (k,).
        records: what is stored of each; None for what is no body.
        compressed: whether the stream of indices-compressed is wanted: for each body uint64 number of bytes n (0 for no
            body), uint64 label, n bytes; else a LabelIndices message.

    Returns:
        The answer; None if one is no record of a whole body, but of one whose index is stored apart.

    Raises:
        LabelFormatError: a record is damaged.
        ValueError: there is not one record for each label, or a coordinate is out of range.
    """
    if len(labels) != len(records):
        raise ValueError("there must be one record for each label")
    if not all(record is None or is_whole(record) or len(record) < HEAD_BYTES for record in records):
        return None
    bodies = [_NOTHING if record is None else decode_record(record) for record in records]
    messages = index_messages(_indices(labels, bodies))
    if not compressed:
        return b"".join(bytes_field(1, message) for message in messages)
    streamed = (
        b"" if record is None else _LZ4 + lz4.block.compress(message, store_size=True)
        for message, record in zip(messages, records, strict=True)
    )
    return b"".join(starmap(_streamed, zip(labels.tolist(), streamed, strict=True)))


def _streamed(label: int, message: bytes) -> bytes:
    return len(message).to_bytes(8, "little") + label.to_bytes(8, "little") + message


def _indices(labels: Sequence[int] | Labels, bodies: Sequence[Record]) -> LabelIndices:
    rows, blocks, groups = _blocks(bodies)
    firsts = np.searchsorted(groups, np.append(0, np.cumsum([len(body.chunks) for body in bodies])))
    surfaces = np.zeros(len(groups), np.uint64)
    marks = np.repeat(np.arange(len(rows.counts)), rows.surface_counts) << 9 | rows.chunk.surface_places.astype(
        np.int64
    )
    if len(marks):
        own = groups << 9 | rows.chunk.places.astype(np.int64)
        at = np.minimum(np.searchsorted(marks, own), len(marks) - 1)
        surfaces = np.where(marks[at] == own, rows.chunk.surface_ids[at], np.uint64(0))
    known = [body.summary for body in bodies]
    return LabelIndices(
        np.array(labels, np.uint64),
        firsts,
        blocks.astype(np.int32),
        rows.chunk.supervoxels,
        rows.chunk.voxels,
        surfaces,
        np.array([summary.mutation_id for summary in known], np.uint64),
        [summary.time for summary in known],
        [summary.user for summary in known],
        [summary.app for summary in known],
    )


def _blocks(bodies: Sequence[Record]) -> tuple[Columns, NDArray[np.int64], NDArray[np.int64]]:
    """Return the rows of bodies, the block coordinate of each row, int64 (n, 3), and the number of its chunk."""
    corners = np.array([corner for body in bodies for corner in body.corners], np.int64).reshape(-1, 3)
    rows = decode_chunks([chunk for body in bodies for chunk in body.chunks])
    groups = np.repeat(np.arange(len(corners)), rows.counts)
    places = rows.chunk.places.astype(np.int64)
    blocks: NDArray[np.int64] = corners[groups] * CHUNK_SIDE + places[:, None] // _STEPS % CHUNK_SIDE
    return rows, blocks, groups


def record_blocks(record: Buffer) -> tuple[NDArray[np.int64], Labels]:
    """Find the blocks and the supervoxels of a body.

    Args:
        record: its stored record, whole; no two parts of one chunk.

    Returns:
        Block coordinates, int64 (n, 3) as x, y, z, each once, sorted by z, y, x; and labels, uint64 (k,), ascending.

    Raises:
        LabelFormatError: the record is damaged.
    """
    rows, blocks, _ = _blocks([decode_record(record)])
    return np.unique(blocks[:, ::-1], axis=0)[:, ::-1], np.unique(rows.chunk.supervoxels)


def record_coarse_rles(record: Buffer, low: Shape, high: Shape) -> bytes:
    """Find the runs of blocks of a body, as rles of block coordinates.

    Args:
        record: its stored record, whole.
        low: the smallest block coordinates that are given.
        high: the largest ones.

    Raises:
        LabelFormatError: the record is damaged.
    """
    _, blocks, _ = _blocks([decode_record(record)])
    inside = ((blocks >= np.array(low)) & (blocks <= np.array(high))).all(axis=1)
    return encode_rles(coarse_runs(blocks[inside]))


def record_supervoxel_sizes(record: Buffer) -> tuple[list[int], list[int]]:
    """Count the voxels of the supervoxels of a body.

    Args:
        record: its stored record, whole.

    Returns:
        The supervoxels, ascending, and the voxels of each.

    Raises:
        LabelFormatError: the record is damaged.
    """
    rows = decode_chunks(decode_record(record).chunks).chunk
    names, owners = np.unique(rows.supervoxels, return_inverse=True)
    return names.tolist(), np.bincount(owners.ravel(), rows.voxels, len(names)).astype(np.int64).tolist()


def stored_sizes(values: Sequence[Buffer | None]) -> tuple[Labels, Labels]:
    """Return the voxels of bodies, and those of the supervoxels with their own ids, by what is stored of each.

    Args:
        values: what is stored, whole or not; None for what is no body.

    Returns:
        uint64 (n,) each; 0 for None.

    Raises:
        LabelFormatError: one is cut off.
    """
    sizes = np.array([(0, 0) if value is None else decode_head(value)[:2] for value in values], np.uint64)
    return sizes.reshape(-1, 2)[:, 0], sizes.reshape(-1, 2)[:, 1]


def encode_chunks(
    ends: NDArray[np.int64],
    rows: tuple[NDArray[np.int64], Labels, NDArray[np.int64]],
    surface_ends: NDArray[np.int64],
    surfaces: tuple[NDArray[np.int64], Labels],
) -> list[bytes]:
    """Encode many chunks.

    Args:
        ends: where the rows of each chunk end, int64 (n,), ascending.
        rows: places, supervoxels and voxels of all rows, chunk by chunk.
        surface_ends: where the marked blocks of each chunk end, int64 (n,), ascending.
        surfaces: their places, and the mutations that marked them.

    Raises:
        ValueError: columns are not parallel, or the ends do not cut them.
    """
    if (
        len(ends) != len(surface_ends)
        or len({len(column) for column in rows}) > 1
        or len(surfaces[0]) != len(surfaces[1])
    ):
        raise ValueError("the columns differ in length")
    for cuts, count in ((ends, len(rows[0])), (surface_ends, len(surfaces[0]))):
        if len(cuts) and (cuts[0] < 0 or cuts[-1] > count or (cuts[1:] < cuts[:-1]).any()):
            raise ValueError("the ends do not cut the rows into chunks")
    places, names, voxels = rows[0].astype("<u2"), rows[1].astype("<u8"), rows[2].astype("<u4")
    marks, ids = surfaces[0].astype("<u2"), surfaces[1].astype("<u8")
    encoded, first, marked = [], 0, 0
    for end, mark in zip(ends.tolist(), surface_ends.tolist(), strict=True):
        own, own_marks = slice(first, end), slice(marked, mark)
        encoded.append(encode_chunk(Chunk(places[own], names[own], voxels[own], marks[own_marks], ids[own_marks])))
        first, marked = end, mark
    return encoded

"""Answers out of stored parts of indices, in numpy: what the native kernels mean, and what runs without them."""

import json
from collections.abc import Sequence
from itertools import starmap

import lz4.block
import numpy as np
from numpy.typing import NDArray

from dvid_labels.index_chunks import CHUNK_SIDE, Chunk, Columns, decode_chunks, encode_chunk
from dvid_labels.label_indices import LabelIndices
from dvid_labels.numpy_messages import index_messages
from dvid_labels.runs import coarse_runs, encode_rles
from dvid_labels.types import Buffer, Labels, Shape
from dvid_labels.wire import bytes_field

__all__ = [
    "chunk_blocks",
    "chunk_coarse_rles",
    "chunk_message",
    "chunk_messages",
    "chunk_supervoxel_sizes",
    "encode_chunks",
    "json_points",
]

_STEPS = np.array((1, CHUNK_SIDE, CHUNK_SIDE**2))
_INT32 = np.iinfo(np.int32)
_LZ4 = b"\x80"
_Texts = tuple[str, str, str]


def chunk_message(
    label: int, last_mutid: int, texts: _Texts, corners: Sequence[Shape], chunks: Sequence[Buffer]
) -> bytes:
    """Encode the LabelIndex of a body.

    Args:
        label: the body.
        last_mutid: its last mutation.
        texts: time, user and application of that.
        corners: coordinate (x, y, z) of each chunk.
        chunks: their stored bytes.

    Raises:
        LabelFormatError: a chunk is damaged.
        ValueError: there is not one coordinate for each chunk, or one is out of range.
    """
    (message,) = index_messages(_indices([label], [last_mutid], [texts], [len(chunks)], corners, chunks))
    return message


def chunk_messages(
    labels: Labels,
    last_mutids: Labels,
    texts: Sequence[tuple[int, _Texts]],
    counts: NDArray[np.int64],
    corners: NDArray[np.int64],
    chunks: Sequence[Buffer],
    *,
    compressed: bool,
) -> bytes:
    """Encode the indices of many bodies.

    Args:
        labels: the bodies, uint64 (k,).
        last_mutids: their last mutations, uint64 (k,).
        texts: time, user and application of some of these, with the number of the body.
        counts: how many chunks each body has, int64 (k,); one without any is no body.
        corners: coordinate of each chunk, int64 (n, 3) as x, y, z.
        chunks: their stored bytes, body by body.
        compressed: whether the stream of indices-compressed is wanted: for each body uint64 number of bytes n (0 for no
            body), uint64 label, n bytes; else a LabelIndices message.

    Raises:
        LabelFormatError: a chunk is damaged.
        ValueError: columns are not parallel, or a coordinate is out of range.
    """
    if not len(labels) == len(last_mutids) == len(counts) or int(np.sum(counts)) != len(chunks):
        raise ValueError("the columns differ in length")
    named: list[_Texts] = [("", "", "")] * len(labels)
    for number, found in texts:
        named[number] = found
    messages = index_messages(_indices(labels, last_mutids, named, counts, corners, chunks))
    if not compressed:
        return b"".join(bytes_field(1, message) for message in messages)
    records = (
        _LZ4 + lz4.block.compress(m, store_size=True) if n else b"" for m, n in zip(messages, counts, strict=True)
    )
    return b"".join(starmap(_record, zip(labels.tolist(), records, strict=True)))


def _record(label: int, record: bytes) -> bytes:
    return len(record).to_bytes(8, "little") + label.to_bytes(8, "little") + record


def _indices(
    labels: Sequence[int] | Labels,
    last_mutids: Sequence[int] | Labels,
    texts: Sequence[_Texts],
    counts: Sequence[int] | NDArray[np.int64],
    corners: Sequence[Shape] | NDArray[np.int64],
    chunks: Sequence[Buffer],
) -> LabelIndices:
    rows, blocks, groups = _blocks(corners, chunks)
    firsts = np.searchsorted(groups, np.append(0, np.cumsum(counts)))
    surfaces = np.zeros(len(groups), np.uint64)
    marks = np.repeat(np.arange(len(chunks)), rows.surface_counts) << 9 | rows.chunk.surface_places.astype(np.int64)
    if len(marks):
        own = groups << 9 | rows.chunk.places.astype(np.int64)
        at = np.minimum(np.searchsorted(marks, own), len(marks) - 1)
        surfaces = np.where(marks[at] == own, rows.chunk.surface_ids[at], np.uint64(0))
    times, users, apps = zip(*texts, strict=True) if texts else ((), (), ())
    supervoxels, voxels = rows.chunk.supervoxels, rows.chunk.voxels
    columns = (blocks.astype(np.int32), supervoxels, voxels, surfaces)
    return LabelIndices(
        np.array(labels, np.uint64), firsts, *columns, np.array(last_mutids, np.uint64), times, users, apps
    )


def _blocks(
    corners: Sequence[Shape] | NDArray[np.int64], chunks: Sequence[Buffer]
) -> tuple[Columns, NDArray[np.int64], NDArray[np.int64]]:
    """Return the rows of chunks, the block coordinate of each row, int64 (n, 3), and the number of its chunk."""
    firsts = np.array(corners, np.int64).reshape(-1, 3)
    if len(firsts) != len(chunks):
        raise ValueError("there must be one coordinate for each chunk")
    rows = decode_chunks(chunks)
    groups = np.repeat(np.arange(len(chunks)), rows.counts)
    places = rows.chunk.places.astype(np.int64)
    blocks: NDArray[np.int64] = firsts[groups] * CHUNK_SIDE + places[:, None] // _STEPS % CHUNK_SIDE
    return rows, blocks, groups


def chunk_blocks(corners: Sequence[Shape], chunks: Sequence[Buffer]) -> tuple[NDArray[np.int64], Labels]:
    """Find the blocks and the supervoxels of a body.

    Args:
        corners: coordinate (x, y, z) of each chunk, no two alike.
        chunks: their stored bytes.

    Returns:
        Block coordinates, int64 (n, 3) as x, y, z, each once, sorted by z, y, x; and labels, uint64 (k,), ascending.

    Raises:
        LabelFormatError: a chunk is damaged.
        ValueError: there is not one coordinate for each chunk.
    """
    rows, blocks, _ = _blocks(corners, chunks)
    return np.unique(blocks[:, ::-1], axis=0)[:, ::-1], np.unique(rows.chunk.supervoxels)


def chunk_coarse_rles(corners: Sequence[Shape], chunks: Sequence[Buffer], low: Shape, high: Shape) -> bytes:
    """Find the runs of blocks of a body, as rles of block coordinates.

    Args:
        corners: coordinate (x, y, z) of each chunk.
        chunks: their stored bytes.
        low: the smallest block coordinates that are given.
        high: the largest ones.

    Raises:
        LabelFormatError: a chunk is damaged.
        ValueError: there is not one coordinate for each chunk.
    """
    _, blocks, _ = _blocks(corners, chunks)
    inside = ((blocks >= np.array(low)) & (blocks <= np.array(high))).all(axis=1)
    return encode_rles(coarse_runs(blocks[inside]))


def chunk_supervoxel_sizes(chunks: Sequence[Buffer]) -> tuple[list[int], list[int]]:
    """Count the voxels of the supervoxels of a body.

    Args:
        chunks: its stored chunks.

    Returns:
        The supervoxels, ascending, and the voxels of each.

    Raises:
        LabelFormatError: a chunk is damaged.
    """
    rows = decode_chunks(chunks).chunk
    names, owners = np.unique(rows.supervoxels, return_inverse=True)
    return names.tolist(), np.bincount(owners.ravel(), rows.voxels, len(names)).astype(np.int64).tolist()


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


def json_points(body: Buffer, limit: int) -> NDArray[np.int64] | None:
    """Read a JSON list of points.

    Args:
        body: the JSON.
        limit: how many points it may have.

    Returns:
        int64 (n, 3); None if it is anything but a list of at most `limit` lists of three int32.
    """
    try:
        points = json.loads(bytes(body))
    except (ValueError, RecursionError):
        return None
    if not isinstance(points, list) or len(points) > limit:
        return None
    for point in points:
        if not isinstance(point, list) or len(point) != len(_STEPS):
            return None
        if any(type(n) is not int or not _INT32.min <= n <= _INT32.max for n in point):
            return None
    return np.array(points, np.int64).reshape(-1, 3)

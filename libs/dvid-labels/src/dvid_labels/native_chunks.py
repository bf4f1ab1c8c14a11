"""Answers out of stored parts of indices, native; `dvid_labels.numpy_chunks` says what each function means."""

from collections.abc import Sequence

import dvid_kernels
import numpy as np
from dvid_kernels import BlockCache
from numpy.typing import NDArray

from dvid_labels.native_errors import our_errors
from dvid_labels.types import Buffer, Labels, Shape

__all__ = [
    "BlockCache",
    "chunk_blocks",
    "chunk_coarse_rles",
    "chunk_message",
    "chunk_messages",
    "chunk_supervoxel_sizes",
    "encode_chunks",
    "json_points",
]

_Texts = tuple[str, str, str]


def chunk_blocks(corners: Sequence[Shape], chunks: Sequence[Buffer]) -> tuple[NDArray[np.int64], Labels]:
    """Find the blocks, int64 (n, 3) by z, y, x, and the supervoxels of a body, uint64 (k,); see the numpy twin.

    Raises:
        LabelFormatError: a chunk is damaged.
        ValueError: there is not one coordinate for each chunk.
    """
    with our_errors():
        return dvid_kernels.chunk_blocks(corners, chunks)


def chunk_message(
    label: int, last_mutid: int, texts: _Texts, corners: Sequence[Shape], chunks: Sequence[Buffer]
) -> bytes:
    """Encode the LabelIndex of a body; see the numpy twin.

    Raises:
        LabelFormatError: a chunk is damaged.
        ValueError: there is not one coordinate for each chunk, or one is out of range.
    """
    with our_errors():
        return dvid_kernels.chunk_message(label, last_mutid, texts, corners, chunks)


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
    """Encode the indices of many bodies; see the numpy twin.

    Raises:
        LabelFormatError: a chunk is damaged.
        ValueError: columns are not parallel, or a coordinate is out of range.
    """
    names, mutids = (np.require(column, np.uint64, ["C", "A"]) for column in (labels, last_mutids))
    numbers, places = (np.require(column, np.int64, ["C", "A"]) for column in (counts, corners))
    with our_errors():
        return dvid_kernels.chunk_messages(names, mutids, texts, numbers, places, chunks, compressed)


def chunk_coarse_rles(corners: Sequence[Shape], chunks: Sequence[Buffer], low: Shape, high: Shape) -> bytes:
    """Find the runs of blocks of a body, as rles of block coordinates; see the numpy twin.

    Raises:
        LabelFormatError: a chunk is damaged.
        ValueError: there is not one coordinate for each chunk.
    """
    with our_errors():
        return dvid_kernels.chunk_coarse_rles(corners, chunks, low, high)


def chunk_supervoxel_sizes(chunks: Sequence[Buffer]) -> tuple[list[int], list[int]]:
    """Count the voxels of the supervoxels of a body; see the numpy twin.

    Raises:
        LabelFormatError: a chunk is damaged.
    """
    with our_errors():
        return dvid_kernels.chunk_supervoxel_sizes(chunks)


def encode_chunks(
    ends: NDArray[np.int64],
    rows: tuple[NDArray[np.int64], Labels, NDArray[np.int64]],
    surface_ends: NDArray[np.int64],
    surfaces: tuple[NDArray[np.int64], Labels],
) -> list[bytes]:
    """Encode many chunks; see the numpy twin.

    Raises:
        ValueError: columns are not parallel, or the ends do not cut them.
    """
    places, names, voxels = rows
    marks, ids = surfaces
    cuts, surface_cuts, places, voxels, marks = (
        np.require(column, np.int64, ["C", "A"]) for column in (ends, surface_ends, places, voxels, marks)
    )
    names, ids = (np.require(column, np.uint64, ["C", "A"]) for column in (names, ids))
    return dvid_kernels.encode_chunks(cuts, places, names, voxels, surface_cuts, marks, ids)


def json_points(body: Buffer, limit: int) -> NDArray[np.int64] | None:
    """Read a JSON list of points, int64 (n, 3); None if it is anything else; see the numpy twin."""
    return dvid_kernels.json_points(body, limit)

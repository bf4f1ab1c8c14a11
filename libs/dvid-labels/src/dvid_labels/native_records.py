"""Answers out of stored bodies, and changes of them, native; the numpy twins say what each function means."""

from collections.abc import Sequence

import dvid_kernels
import numpy as np
from dvid_kernels import BlockCache
from numpy.typing import NDArray

from dvid_labels.body_records import RecordRows, Stamp
from dvid_labels.native_errors import our_errors
from dvid_labels.types import Buffer, Labels, Shape

__all__ = [
    "BlockCache",
    "change_records",
    "encode_chunks",
    "record_blocks",
    "record_coarse_rles",
    "record_message",
    "record_messages",
    "record_supervoxel_sizes",
    "stored_sizes",
]


def change_records(
    labels: Labels,
    records: Sequence[Buffer | None],
    owners: NDArray[np.int64],
    rows: RecordRows,
    marks: Labels,
    *,
    adding: bool,
    stamp: Stamp | None,
) -> list[bytes | None]:
    """Change the records of bodies; see the numpy twin.

    Raises:
        LabelFormatError: a record is damaged.
        ValueError: columns are not parallel, a row is of no body, or a coordinate is no int32.
    """
    blocks, voxels, numbers = (np.require(column, np.int64, ["C", "A"]) for column in (rows[0], rows[2], owners))
    names, supervoxels, ids = (np.require(column, np.uint64, ["C", "A"]) for column in (labels, rows[1], marks))
    with our_errors():
        return dvid_kernels.change_records(names, records, numbers, (blocks, supervoxels, voxels), ids, adding, stamp)


def record_blocks(record: Buffer) -> tuple[NDArray[np.int64], Labels]:
    """Find the blocks, int64 (n, 3) by z, y, x, and the supervoxels of a body, uint64 (k,); see the numpy twin.

    Raises:
        LabelFormatError: the record is damaged.
    """
    with our_errors():
        return dvid_kernels.record_blocks(record)


def record_message(label: int, record: Buffer) -> bytes:
    """Encode the LabelIndex of a body; see the numpy twin.

    Raises:
        LabelFormatError: the record is damaged.
        ValueError: a coordinate is out of range.
    """
    with our_errors():
        return dvid_kernels.record_message(label, record)


def record_messages(labels: Labels, records: Sequence[Buffer | None], *, compressed: bool) -> bytes | None:
    """Encode the indices of many bodies; see the numpy twin.

    Raises:
        LabelFormatError: a record is damaged.
        ValueError: there is not one record for each label, or a coordinate is out of range.
    """
    names = np.require(labels, np.uint64, ["C", "A"])
    with our_errors():
        return dvid_kernels.record_messages(names, records, compressed)


def record_coarse_rles(record: Buffer, low: Shape, high: Shape) -> bytes:
    """Find the runs of blocks of a body, as rles of block coordinates; see the numpy twin.

    Raises:
        LabelFormatError: the record is damaged.
    """
    with our_errors():
        return dvid_kernels.record_coarse_rles(record, low, high)


def record_supervoxel_sizes(record: Buffer) -> tuple[list[int], list[int]]:
    """Count the voxels of the supervoxels of a body; see the numpy twin.

    Raises:
        LabelFormatError: the record is damaged.
    """
    with our_errors():
        return dvid_kernels.record_supervoxel_sizes(record)


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


def stored_sizes(values: Sequence[Buffer | None]) -> tuple[Labels, Labels]:
    """Return the voxels of bodies, and those of their own ids, uint64 (n,) each; see the numpy twin.

    Raises:
        LabelFormatError: one is cut off.
    """
    with our_errors():
        return dvid_kernels.stored_sizes(values)

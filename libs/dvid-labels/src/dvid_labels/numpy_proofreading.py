"""Merges and cleaves of bodies that are one record each, in numpy: what native kernels mean, and do faster."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from dvid_labels.body_records import RecordRows, Stamp, decode_record
from dvid_labels.errors import LabelFormatError
from dvid_labels.index_chunks import CHUNK_SIDE, decode_chunks
from dvid_labels.numpy_record_changes import change_records
from dvid_labels.types import Buffer, Labels

__all__ = ["cleave_record", "merge_records", "record_share"]

_STEPS = np.array((1, CHUNK_SIDE, CHUNK_SIDE**2))
_Integers = NDArray[np.int64]


def _rows_of(records: Sequence[Buffer]) -> tuple[_Integers, RecordRows]:
    """Return the rows of records: number of the record of each, int64 (n,), and the rows."""
    bodies = [decode_record(record) for record in records]
    chunk, counts, _ = decode_chunks([value for body in bodies for value in body.chunks])
    corners = np.array([corner for body in bodies for corner in body.corners], np.int64).reshape(-1, 3)
    owners = np.repeat(np.arange(len(bodies)), [len(body.chunks) for body in bodies])
    blocks = np.repeat(corners, counts, axis=0) * CHUNK_SIDE + chunk.places[:, None] // _STEPS % CHUNK_SIDE
    return np.repeat(owners, counts), (blocks, chunk.supervoxels.astype(np.uint64), chunk.voxels.astype(np.int64))


def merge_records(label: int, records: Sequence[Buffer], stamp: Stamp) -> tuple[bytes, list[bytes], Labels]:
    """Merge bodies into one.

    Args:
        label: the body that stays.
        records: what is stored of it, whole, and behind that of each body that becomes part of it.
        stamp: what the mutation leaves in the record; it marks the blocks of the bodies that come.

    Returns:
        The record; the supervoxels of each body that came, ascending little-endian uint64; and all of these, uint64
        (n,), ascending.

    Raises:
        LabelFormatError: a record is damaged.
        ValueError: there is none.
    """
    if not records:
        raise ValueError("there is no body that stays")
    decode_record(records[0])
    owners, rows = _rows_of(records[1:])
    marks = np.full(len(owners), stamp.mutation_id, np.uint64)
    come = np.zeros(len(owners), np.int64)
    names = np.array([label], np.uint64)
    (record,) = change_records(names, records[:1], come, rows, marks, adding=True, stamp=stamp)
    if record is None:
        raise LabelFormatError("what is known of a body names no voxels")
    members = [np.unique(rows[1][owners == number]) for number in range(len(records) - 1)]
    return record, [own.astype("<u8").tobytes() for own in members], np.unique(rows[1])


def cleave_record(
    labels: tuple[int, int], record: Buffer, supervoxels: Labels, stamp: Stamp
) -> tuple[bytes, bytes, bytes]:
    """Make some supervoxels of a body a body of their own.

    Args:
        labels: the body, and the new one.
        record: what is stored of the body, whole.
        supervoxels: those that go, uint64 (n,), ascending; those that the body does not have are passed over.
        stamp: what the mutation leaves in both records; it marks the blocks of what goes.

    Returns:
        Both records, and the blocks of the new body, each once: x, y, z of each, ascending little-endian int32.

    Raises:
        LabelFormatError: the record is damaged.
        ValueError: supervoxels do not ascend, or all of the body would go, or nothing.
    """
    _check_ascending(supervoxels)
    _, (blocks, names, voxels) = _rows_of([record])
    gone = np.isin(names, supervoxels)
    blocks, names, voxels = blocks[gone], names[gone], voxels[gone]
    rows = np.tile(blocks, (2, 1)), np.tile(names, 2), np.append(np.zeros_like(voxels), voxels)
    owners, marks = np.repeat((0, 1), len(names)), np.full(2 * len(names), stamp.mutation_id, np.uint64)
    stays, leaves = change_records(
        np.array(labels, np.uint64), [record, None], owners, rows, marks, adding=False, stamp=stamp
    )
    if stays is None or leaves is None:
        raise ValueError("all of the body would leave it, or nothing")
    return stays, leaves, np.unique(blocks, axis=0).astype("<i4").tobytes()


def record_share(record: Buffer, supervoxels: Labels) -> tuple[Labels, int]:
    """Find out which of some supervoxels a body has, ascending, and how many voxels these have in it.

    Args:
        record: what is stored of the body, whole.
        supervoxels: uint64 (n,), ascending.

    Raises:
        LabelFormatError: the record is damaged.
        ValueError: supervoxels do not ascend.
    """
    _check_ascending(supervoxels)
    _, (_, names, voxels) = _rows_of([record])
    mine = np.isin(names, supervoxels)
    return np.unique(names[mine]), int(voxels[mine].sum())


def _check_ascending(supervoxels: Labels) -> None:
    if (supervoxels[1:] <= supervoxels[:-1]).any():
        raise ValueError("the supervoxels must be one ascending list, each of them once")

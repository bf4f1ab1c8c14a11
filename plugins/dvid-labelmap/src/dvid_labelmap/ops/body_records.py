"""Stored bodies: read whole, however they are stored, and written as they should be.

A small body is one record. The index of a large one is stored apart, in parts of 8x8x8 blocks, so that a change of few
blocks reads and writes few of them. A body whose record would pass a bound is stored apart from then on; it becomes one
record again when a change touches all of its parts and leaves less than half of that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dvid_labels.types import Buffer
from dvid_voxels.geometry import Triple

from dvid_framework.api import LZ4, NONE, Txn, View
from dvid_labelmap.index_codec import (
    CHUNK_SIDE,
    Summary,
    decode_record,
    decode_summary,
    encode_record,
    encode_summary,
    is_whole,
)
from dvid_labelmap.keys import chunk_bounds, chunk_key, chunk_of_key, summary_key

__all__ = [
    "MOST_WHOLE",
    "Parts",
    "delete_body",
    "fits",
    "packing_of",
    "parts_of",
    "put_apart",
    "put_body",
    "put_record",
    "put_records",
    "read_summaries",
    "small_record",
    "stored_parts",
    "whole_record",
]

MOST_WHOLE = 4096
"""Bytes up to which a body is stored as one record."""
_LEAST_PACKED = 256  # bytes from which packing is worth its time
Parts = tuple[list[Triple], list[Buffer]]


def packing_of(value: bytes) -> int:
    """Return how a value should be packed."""
    return LZ4 if len(value) >= _LEAST_PACKED else NONE


# -- reading


def read_summaries(view: View, bodies: Sequence[int]) -> list[Summary | None]:
    """Return what is known of each body; None where there is none."""
    values = view.multi_get(summary_key(body) for body in bodies)
    return [None if value is None else decode_summary(value) for value in values]


def stored_parts(view: View, body: int, value: Buffer) -> Parts:
    """Return coordinate (x, y, z) and stored bytes of each chunk of a body's index, by what is stored of the body.

    Raises:
        CorruptValue: stored bytes are damaged.
        Conflict: merged branches disagree about a part that is stored apart.
    """
    if is_whole(value):
        record = decode_record(value)
        return record.corners, record.chunks
    summary = decode_summary(value)
    (x0, y0, z0), (x1, y1, z1) = summary.low, summary.high
    chunk = x0 // CHUNK_SIDE, y0 // CHUNK_SIDE, z0 // CHUNK_SIDE
    if chunk == (x1 // CHUNK_SIDE, y1 // CHUNK_SIDE, z1 // CHUNK_SIDE):  # read, not searched for
        part = view.get(chunk_key(body, chunk))
        return ([], []) if part is None else ([chunk], [part])
    found = list(view.scan(*chunk_bounds(body)))
    return [chunk_of_key(key)[1] for key, _ in found], [part for _, part in found]


def parts_of(view: View, body: int) -> Parts:
    """Return coordinate (x, y, z) and stored bytes of each chunk of a body's index; none if it is no body.

    Raises:
        CorruptValue: stored bytes are damaged.
        Conflict: merged branches disagree about it.
    """
    value = view.get(summary_key(body))
    return ([], []) if value is None else stored_parts(view, body, value)


def whole_record(view: View, body: int, value: Buffer) -> Buffer:
    """Return the record of a body as kernels read it, by what is stored of the body.

    Raises:
        CorruptValue: stored bytes are damaged.
        Conflict: merged branches disagree about a part that is stored apart.
    """
    if is_whole(value):
        return value
    return encode_record(decode_summary(value), *stored_parts(view, body, value))


# -- writing


def fits(record: bytes, *, is_apart: bool) -> bool:
    """Tell whether a record is short enough to be stored as one, of a body whose index is apart or is not."""
    return len(record) <= (MOST_WHOLE // 2 if is_apart else MOST_WHOLE)


def put_record(txn: Txn, body: int, record: bytes) -> bool:
    """Add a body of its record to a transaction; tells whether it is stored as one. There must be no other parts."""
    if fits(record, is_apart=False):
        txn.put(summary_key(body), record, packing_of(record))
        return True
    put_apart(txn, body, *decode_record(record))
    return False


def put_records(txn: Txn, records: Mapping[int, bytes]) -> list[int]:
    """Add bodies of their records to a transaction as `put_record`; returns those that are not stored as one."""
    small = {body: record for body, record in records.items() if fits(record, is_apart=False)}
    for packing in (NONE, LZ4):
        chosen = [body for body, record in small.items() if packing_of(record) == packing]
        if not chosen:
            continue
        txn.put_many([summary_key(body) for body in chosen], [small[body] for body in chosen], packing)
    apart = [body for body in records if body not in small]
    for body in apart:
        put_apart(txn, body, *decode_record(records[body]))
    return apart


def small_record(summary: Summary, corners: Sequence[Triple], chunks: Sequence[Buffer]) -> bytes | None:
    """Return the record of a body, as `put_body` takes it, if that is well below what a record may have."""
    if sum(map(len, chunks)) > MOST_WHOLE // 2:
        return None
    record = encode_record(summary, corners, chunks)
    return record if fits(record, is_apart=True) else None


def put_body(txn: Txn, body: int, summary: Summary, corners: Sequence[Triple], chunks: Sequence[Buffer]) -> None:
    """Add a body to a transaction: what is known of it, chunk coordinates (x, y, z), and their stored bytes."""
    if sum(map(len, chunks)) > MOST_WHOLE:
        put_apart(txn, body, summary, corners, chunks)
    else:
        put_record(txn, body, encode_record(summary, corners, chunks))


def put_apart(txn: Txn, body: int, summary: Summary, corners: Sequence[Triple], chunks: Sequence[Buffer]) -> None:
    """Add a body to a transaction, its index apart: what is known of it, and its chunks (x, y, z) with their bytes."""
    txn.put(summary_key(body), encode_summary(summary), NONE)
    for corner, chunk in zip(corners, chunks, strict=True):
        value = bytes(chunk)
        txn.put(chunk_key(body, corner), value, packing_of(value))


def delete_body(txn: Txn, body: int, value: Buffer, corners: Sequence[Triple]) -> None:
    """Add to a transaction that a body is no more.

    Args:
        txn: the transaction.
        body: the body.
        value: what is stored of it.
        corners: coordinates of its chunks, which are deleted if they are stored apart.
    """
    txn.delete(summary_key(body))
    if not is_whole(value):
        for corner in corners:
            txn.delete(chunk_key(body, corner))

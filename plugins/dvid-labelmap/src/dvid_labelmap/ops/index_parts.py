"""Changes of bodies whose indices are stored apart: only the parts that are touched are read, and written."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple, TypeAlias

import numpy as np
from dvid_labels import kernels
from dvid_labels.types import Buffer, Labels
from dvid_voxels.geometry import Triple

from dvid_framework.api import NONE, Txn, View
from dvid_labelmap.index_codec import (
    CHUNK_SIDE,
    Stamp,
    Summary,
    decode_record,
    encode_record,
    encode_summary,
    stored_bodies,
)
from dvid_labelmap.keys import chunk_bounds, chunk_key, chunk_of_key, summary_key
from dvid_labelmap.ops.body_records import packing_of, put_record, small_record
from dvid_labelmap.ops.index_rows import EMPTY, Integers, Rows, blocks_of_places, chunk_keys, read_chunks
from dvid_labelmap.ops.settling import Settle, settled_parts
from dvid_labelmap.ops.supervoxel_places import SupervoxelPlaces

__all__ = ["Change", "change_parts"]

_FAR = 1 << 40
_Bounds: TypeAlias = tuple[Triple, Triple]
_NOWHERE: _Bounds = ((_FAR, _FAR, _FAR), (-_FAR, -_FAR, -_FAR))
_NOTHING = Summary(0, 0, 0, *_NOWHERE)
_Parts: TypeAlias = dict[Triple, Buffer]


class Change(NamedTuple):
    """A change of bodies: as the arguments of `change_rows`, with the mutation that marks blocks; 0 for none."""

    view: View
    txn: Txn
    stamp: Stamp | None
    places: SupervoxelPlaces
    mark: int
    adding: bool


def change_parts(
    change: Change, names: Labels, known: Sequence[Summary], owners: Integers, rows: Rows, settle: Settle | None
) -> None:
    """Change bodies whose indices are stored apart.

    Args:
        change: the change.
        names: the bodies, uint64 (k,).
        known: what is known of each.
        owners: number of the body of each row, int64 (r,).
        rows: the rows.
        settle: makes what merged branches disagree about.
    """
    chunks = rows.blocks // CHUNK_SIDE
    _tell(change, rows, chunks)
    touched = _touched_chunks(owners, chunks)
    bodies = names.tolist()
    keys = [chunk_key(bodies[owner], (x, y, z)) for owner, z, y, x in touched]
    before: list[_Parts] = [{} for _ in bodies]
    for (owner, z, y, x), value in zip(touched, settled_parts(change.view, keys, settle), strict=True):
        before[owner][x, y, z] = value
    records = [_record(summary, parts) for summary, parts in zip(known, before, strict=True)]
    # Of each body the touched parts, as a record: once as they were, for what is known of them, and once to be changed.
    with stored_bodies():
        made = kernels.change_records(
            np.repeat(names, 2),
            [record for record in records for _ in range(2)],
            2 * owners + 1,
            (rows.blocks, rows.supervoxels, rows.voxels),
            np.full(len(owners), change.mark, np.uint64),
            adding=change.adding,
            stamp=None,
        )
    for number, (body, have) in enumerate(zip(bodies, known, strict=True)):
        _put(change, body, have, before[number], made[2 * number], made[2 * number + 1])


def _tell(change: Change, rows: Rows, chunks: Integers) -> None:
    """Note where supervoxels come to, once that is committed."""
    come, version = rows.voxels > 0, change.view.version
    columns = rows.bodies[come], rows.supervoxels[come], chunks[come]
    change.txn.after_commit(lambda _: change.places.add(version, *columns))


def _touched_chunks(owners: Integers, chunks: Integers) -> list[tuple[int, int, int, int]]:
    """Return each chunk that rows are in once: number of the body, z, y, x; sorted."""
    columns = np.column_stack((owners, chunks[:, ::-1]))
    columns = columns[np.lexsort(columns.T[::-1])]
    first = np.ones(len(columns), bool)
    first[1:] = (columns[1:] != columns[:-1]).any(axis=1)
    return [(owner, z, y, x) for owner, z, y, x in columns[first].tolist()]


def _record(summary: Summary, parts: _Parts) -> bytes | None:
    there = {corner: value for corner, value in parts.items() if value != EMPTY}
    return encode_record(summary, list(there), list(there.values())) if there else None


def _put(change: Change, body: int, have: Summary, parts: _Parts, before: bytes | None, after: bytes | None) -> None:
    """Add to the transaction what a body is now.

    Args:
        change: the change.
        body: the body.
        have: what was known of it.
        parts: the parts that are touched, as they were.
        before: their record.
        after: their record after the change.
    """
    txn = change.txn
    were = _NOTHING if before is None else decode_record(before).summary
    are, corners, values = (_NOTHING, [], []) if after is None else decode_record(after)
    summary = _changed_summary(change, body, have, (were, are), parts)
    small = summary is not None and have.blocks == were.blocks
    record = small_record(summary, corners, values) if small and summary is not None else None
    left = {} if record is not None else dict(zip(corners, values, strict=True))
    for corner, was in parts.items():
        value = bytes(left.get(corner, EMPTY))
        if value != EMPTY:
            txn.put(chunk_key(body, corner), value, packing_of(value))
        elif was != EMPTY:
            txn.delete(chunk_key(body, corner))
    if record is not None:
        put_record(txn, body, record)
    elif summary is None:
        txn.delete(summary_key(body))
    else:
        txn.put(summary_key(body), encode_summary(summary), NONE)


def _changed_summary(
    change: Change, body: int, have: Summary, touched: tuple[Summary, Summary], corners: Collection[Triple]
) -> Summary | None:
    """Return what is known of a body now, by what its touched parts were and are; None if it is no more."""
    were, are = touched
    blocks = have.blocks + are.blocks - were.blocks
    if blocks <= 0:
        return None
    low, high = _union((are.low, are.high), (have.low, have.high))
    if _loses_bound(were, are, have):
        low, high = _union((are.low, are.high), _untouched(change.view, body, corners))
    voxels, own = have.voxels + are.voxels - were.voxels, have.own_voxels + are.own_voxels - were.own_voxels
    return Summary(voxels, own, blocks, low, high, *(change.stamp or have[5:]))


def _union(one: _Bounds, other: _Bounds) -> _Bounds:
    ((a, b, c), (d, e, f)), ((p, q, r), (s, t, u)) = one, other
    return (min(a, p), min(b, q), min(c, r)), (max(d, s), max(e, t), max(f, u))


def _loses_bound(were: Summary, are: Summary, have: Summary) -> bool:
    """Tell whether blocks that went may have been the last ones at one of the six bounds of the body."""
    return any(a <= bound < b for a, b, bound in zip(were.low, are.low, have.low, strict=True)) or any(
        a >= bound > b for a, b, bound in zip(were.high, are.high, have.high, strict=True)
    )


def _untouched(view: View, body: int, touched: Collection[Triple]) -> _Bounds:
    """Return the bounds of the blocks of a body in chunks that are not touched.

    Only the outermost chunks are read: those that no other one lies beyond.
    """
    left = [chunk for chunk in (chunk_of_key(key)[1] for key in view.keys(*chunk_bounds(body))) if chunk not in touched]
    if not left:
        return _NOWHERE
    chunks = np.array(left)
    outermost = chunks[((chunks == chunks.min(axis=0)) | (chunks == chunks.max(axis=0))).any(axis=1)]
    numbers = read_chunks(view, chunk_keys(np.full(len(outermost), body, np.uint64), outermost)).block_numbers()
    blocks = blocks_of_places(outermost[numbers >> 9], numbers & 511)
    (x0, y0, z0), (x1, y1, z1) = blocks.min(axis=0).tolist(), blocks.max(axis=0).tolist()
    return (x0, y0, z0), (x1, y1, z1)

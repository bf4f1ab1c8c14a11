"""Changes of bodies: what is touched of their indices is read once, changed, and written once."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple, TypeAlias

import numpy as np
from dvid_labels import kernels
from dvid_labels.types import Buffer, Labels
from dvid_voxels.geometry import Triple
from numpy.typing import NDArray

from dvid_framework.api import NONE, Txn, View
from dvid_labelmap.index_codec import (
    Stamp,
    Summary,
    decode_summary,
    encode_summary,
    is_whole,
    stored_bodies,
)
from dvid_labelmap.keys import chunk_bounds, chunk_of_key, summary_key
from dvid_labelmap.ops.body_records import packing_of, put_record, read_summaries, small_record
from dvid_labelmap.ops.index_rows import (
    EMPTY,
    ChunkRows,
    Integers,
    Rows,
    blocks_of_places,
    chunk_keys,
    places_of_blocks,
    read_chunks,
)
from dvid_labelmap.ops.settling import Settle, settled_bodies, settled_chunks
from dvid_labelmap.ops.supervoxel_places import SupervoxelPlaces

__all__ = ["Stamp", "Touched", "bounds_of_blocks", "change_rows", "read_summaries", "sort_rows"]

_FAR = 1 << 40
_NOWHERE: tuple[Triple, Triple] = ((_FAR, _FAR, _FAR), (-_FAR, -_FAR, -_FAR))
_Bounds: TypeAlias = tuple[Triple, Triple]


class Touched(NamedTuple):
    """The chunks that rows are of.

    Attributes:
        bodies: uint64 (g,), sorted.
        chunks: int64 (g, 3) as x, y, z.
        rows: the rows by chunk.
    """

    bodies: Labels
    chunks: Integers
    rows: ChunkRows


def sort_rows(rows: Rows, surface_ids: Labels | None = None) -> Touched:
    """Sort rows into chunks.

    Args:
        rows: the rows.
        surface_ids: the mutation that marks the block of each row, uint64 (r,); 0 for none.
    """
    chunks, places = places_of_blocks(rows.blocks)
    x, y, z = chunks.T
    order = np.lexsort((rows.supervoxels, places, x, y, z, rows.bodies))
    bodies, chunks, places = rows.bodies[order], chunks[order], places[order]
    first = np.ones(len(bodies), bool)
    first[1:] = (bodies[1:] != bodies[:-1]) | (chunks[1:] != chunks[:-1]).any(axis=1)
    groups = np.cumsum(first) - 1
    marked, ids = np.zeros(0, np.int64), np.zeros(0, np.uint64)
    if surface_ids is not None:
        blocks = groups << 9 | places
        marks = (surface_ids[order] != 0) & np.append(True, blocks[1:] != blocks[:-1])
        marked, ids = blocks[marks], surface_ids[order][marks]
    found = ChunkRows(groups, places, rows.supervoxels[order], rows.voxels[order], marked >> 9, marked & 511, ids)
    return Touched(bodies[first], chunks[first], found)


def change_rows(
    view: View,
    txn: Txn,
    rows: Rows,
    *,
    adding: bool = False,
    stamp: Stamp | None = None,
    marking: bool = True,
    settle: Settle | None = None,
    places: SupervoxelPlaces,
) -> None:
    """Change rows of indices.

    Args:
        view: the version before the change.
        txn: a transaction of it.
        rows: the rows; none twice.
        adding: whether voxels come to those that are there, or take their place, when 0 means that the row goes.
        stamp: what mutation of the bodies it is; without one only voxels were written.
        marking: whether that mutation is the last to have changed each of the blocks.
        settle: makes what merged branches disagree about.
        places: is told which rows come to bodies whose index is stored apart.

    Raises:
        CorruptValue: stored bytes are damaged.
        Conflict: merged branches disagree about a body that is changed, and nothing settles it.
    """
    if not len(rows.bodies):
        return
    names, owners = np.unique(rows.bodies, return_inverse=True)
    owners = owners.ravel()
    values, made = settled_bodies(view, names.tolist(), settle)
    change = _Change(view, txn, stamp, places, stamp.mutation_id if stamp is not None and marking else 0, adding)
    apart = np.array([value is not None and not is_whole(value) for value in values])
    if apart.any():
        known = [decode_summary(value) for value in values if value is not None and not is_whole(value)]
        _change_apart(change, rows.chosen(apart[owners]), known, settle)
        whole = ~apart[owners]
        owners, rows = (np.cumsum(~apart) - 1)[owners[whole]], rows.chosen(whole)
        values = [value for value in values if value is None or is_whole(value)]
        names = names[~apart]
    _change_whole(change, names, values, owners, rows, made)


class _Change(NamedTuple):
    """A change of bodies: as the arguments of `change_rows`, with the mutation that marks blocks; 0 for none."""

    view: View
    txn: Txn
    stamp: Stamp | None
    places: SupervoxelPlaces
    mark: int
    adding: bool


# -- bodies that are one record


def _change_whole(
    change: _Change,
    names: Labels,
    values: Sequence[Buffer | None],
    owners: Integers,
    rows: Rows,
    made: Collection[int],
) -> None:
    """Change bodies that are one record each, or none yet; `made` have other parts all the same, which go."""
    txn = change.txn
    marks = np.full(len(owners), change.mark, np.uint64)
    columns = (rows.blocks, rows.supervoxels, rows.voxels)
    with stored_bodies():
        records = kernels.change_records(
            names, values, owners, columns, marks, adding=change.adding, stamp=change.stamp
        )
    grown = []
    for body, before, record in zip(names.tolist(), values, records, strict=True):
        if body in made:
            txn.delete(summary_key(body))
            for key in change.view.keys(*chunk_bounds(body)):
                txn.delete(key)
        if record is None:
            if before is not None:
                txn.delete(summary_key(body))
        elif not put_record(txn, body, record):
            grown.append(body)
    if grown:  # what is known of the places of an earlier body of that label lacks some
        txn.after_commit(lambda _: change.places.forget(grown))


# -- bodies whose index is stored apart


def _change_apart(change: _Change, rows: Rows, known: Sequence[Summary], settle: Settle | None) -> None:
    """Change bodies whose indices are stored apart: only the parts that are touched are read and written."""
    view = change.view
    touched = sort_rows(rows, np.full(len(rows.bodies), change.mark, np.uint64))
    keys = chunk_keys(touched.bodies, touched.chunks)
    before = read_chunks(view, keys) if settle is None else settled_chunks(view, keys, settle)
    after = before.added(touched.rows) if change.adding else before.replaced(touched.rows)
    _tell(change.places, view.version, change.txn, touched)
    summaries, all_touched = _changed_summaries(view, touched, before, after, known, change.stamp)
    present, values = np.bincount(before.groups, minlength=len(keys)).tolist(), after.encoded(len(keys))
    names, firsts = np.unique(touched.bodies, return_index=True)
    cuts = pairwise([*firsts.tolist(), len(keys)])
    for body, (first, last), summary, whole in zip(names.tolist(), cuts, summaries, all_touched, strict=True):
        parts = list(zip(keys[first:last], present[first:last], values[first:last], strict=True))
        left = {chunk_of_key(key)[1]: value for key, _, value in parts if value != EMPTY}
        record = small_record(summary, list(left), list(left.values())) if whole and summary is not None else None
        _put_parts(change.txn, [(key, there, EMPTY if record else value) for key, there, value in parts])
        if record is not None:
            put_record(change.txn, body, record)
        elif summary is None:
            change.txn.delete(summary_key(body))
        else:
            change.txn.put(summary_key(body), encode_summary(summary), NONE)


def _put_parts(txn: Txn, parts: Iterable[tuple[bytes, int, bytes]]) -> None:
    """Add to a transaction what chunks hold now: key, whether it was there, and bytes; one without rows is deleted."""
    for key, was_there, value in parts:
        if value != EMPTY:
            txn.put(key, value, packing_of(value))
        elif was_there:
            txn.delete(key)


def _tell(places: SupervoxelPlaces, version: int, txn: Txn, touched: Touched) -> None:
    come = touched.rows.voxels > 0
    groups, supervoxels = touched.rows.groups[come], touched.rows.supervoxels[come]
    txn.after_commit(lambda _: places.add(version, touched.bodies[groups], supervoxels, touched.chunks[groups]))


def _sums(owners: Integers, rows: ChunkRows, chosen: NDArray[np.bool_] | None, count: int) -> Integers:
    """Return the voxels of (chosen) rows of each body."""
    owner, voxels = owners[rows.groups], rows.voxels
    if chosen is not None:
        owner, voxels = owner[chosen], voxels[chosen]
    return np.bincount(owner, voxels, count).astype(np.int64)


def _changed_summaries(
    view: View,
    touched: Touched,
    before: ChunkRows,
    after: ChunkRows,
    known: Sequence[Summary],
    stamp: Stamp | None,
) -> tuple[list[Summary | None], list[bool]]:
    """Return what is known of each body now, None if it is no more; and whether all of its parts were touched."""
    bodies, owners = np.unique(touched.bodies, return_inverse=True)
    count = len(bodies)
    voxels = _sums(owners, after, None, count) - _sums(owners, before, None, count)
    own = _sums(owners, after, after.supervoxels == touched.bodies[after.groups], count)
    own -= _sums(owners, before, before.supervoxels == touched.bodies[before.groups], count)
    old_blocks, new_blocks = before.block_numbers(), after.block_numbers()
    were = np.bincount(owners[old_blocks >> 9], minlength=count)
    blocks = np.bincount(owners[new_blocks >> 9], minlength=count) - were
    gained = bounds_of_blocks(touched, owners, new_blocks, count)
    lost = bounds_of_blocks(touched, owners, np.setdiff1d(old_blocks, new_blocks, assume_unique=True), count)
    found: list[Summary | None] = []
    for number, (body, have) in enumerate(zip(bodies.tolist(), known, strict=True)):
        left = have.blocks + int(blocks[number])
        if left <= 0:
            found.append(None)
            continue
        low, high = _union(gained[number], (have.low, have.high))
        if _loses_bound(lost[number], gained[number], (have.low, have.high)):
            low, high = _union(gained[number], _untouched(view, body, touched))
        summary = Summary(
            have.voxels + int(voxels[number]), have.own_voxels + int(own[number]), left, low, high, *have[5:]
        )
        found.append(summary._replace(**stamp._asdict()) if stamp else summary)
    return found, [have.blocks == count for have, count in zip(known, were.tolist(), strict=True)]


def bounds_of_blocks(touched: Touched, owners: Integers, numbers: Integers, count: int) -> list[_Bounds]:
    """Return the smallest and largest coordinates of the given blocks of each body."""
    bounds = [_NOWHERE] * count
    if not len(numbers):
        return bounds
    owner = owners[numbers >> 9]
    blocks = blocks_of_places(touched.chunks[numbers >> 9], numbers & 511)
    starts = np.flatnonzero(np.append(True, owner[1:] != owner[:-1]))
    low, high = np.minimum.reduceat(blocks, starts), np.maximum.reduceat(blocks, starts)
    for body, (x0, y0, z0), (x1, y1, z1) in zip(owner[starts].tolist(), low.tolist(), high.tolist(), strict=True):
        bounds[body] = (x0, y0, z0), (x1, y1, z1)
    return bounds


def _union(one: _Bounds, other: _Bounds) -> _Bounds:
    ((a, b, c), (d, e, f)), ((p, q, r), (s, t, u)) = one, other
    return (min(a, p), min(b, q), min(c, r)), (max(d, s), max(e, t), max(f, u))


def _loses_bound(lost: _Bounds, left: _Bounds, bounds: _Bounds) -> bool:
    """Tell whether blocks that went may have been the last ones at one of the six bounds of the body."""
    (low, high), (left_low, left_high) = lost, left
    return any(a <= bound < b for a, b, bound in zip(low, left_low, bounds[0], strict=True)) or any(
        a >= bound > b for a, b, bound in zip(high, left_high, bounds[1], strict=True)
    )


def _untouched(view: View, body: int, touched: Touched) -> _Bounds:
    """Return the bounds of the blocks of a body in chunks that are not touched.

    Only the outermost chunks are read: those that no other one lies beyond.
    """
    first, last = (int(np.searchsorted(touched.bodies, np.uint64(body), side)) for side in ("left", "right"))
    skipped = {tuple(chunk) for chunk in touched.chunks[first:last].tolist()}
    left = [chunk for chunk in (chunk_of_key(key)[1] for key in view.keys(*chunk_bounds(body))) if chunk not in skipped]
    if not left:
        return _NOWHERE
    chunks = np.array(left)
    outermost = chunks[((chunks == chunks.min(axis=0)) | (chunks == chunks.max(axis=0))).any(axis=1)]
    keys = chunk_keys(np.full(len(outermost), body, np.uint64), outermost)
    numbers = read_chunks(view, keys).block_numbers()
    blocks = blocks_of_places(outermost[numbers >> 9], numbers & 511)
    (x0, y0, z0), (x1, y1, z1) = blocks.min(axis=0).tolist(), blocks.max(axis=0).tolist()
    return (x0, y0, z0), (x1, y1, z1)

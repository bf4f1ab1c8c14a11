"""Changes of bodies' indices: the parts that are touched are read once, changed, and written once, with summaries."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

import numpy as np
from dvid_labels.types import Labels
from dvid_voxels.geometry import Triple
from numpy.typing import NDArray

from dvid_framework.api import Txn, View
from dvid_labelmap.index_codec import Summary, decode_summary, encode_summary
from dvid_labelmap.keys import chunk_bounds, chunk_of_key, summary_key
from dvid_labelmap.ops.index_rows import (
    ChunkRows,
    Integers,
    Rows,
    blocks_of_places,
    chunk_keys,
    places_of_blocks,
    read_chunks,
    write_chunks,
)
from dvid_labelmap.ops.settling import Settle, settled_chunks, settled_summaries
from dvid_labelmap.ops.supervoxel_places import SupervoxelPlaces

__all__ = ["Stamp", "Touched", "bounds_of_blocks", "change_rows", "put_summary", "read_summaries", "sort_rows"]

_FAR = 1 << 40
_NOWHERE: tuple[Triple, Triple] = ((_FAR, _FAR, _FAR), (-_FAR, -_FAR, -_FAR))
_Bounds: TypeAlias = tuple[Triple, Triple]


class Stamp(NamedTuple):
    """What a mutation of a body leaves in its summary."""

    mutation_id: int
    time: str
    user: str
    app: str


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


def read_summaries(view: View, bodies: Sequence[int]) -> list[Summary | None]:
    """Return the summary of each body; None where there is none."""
    values = view.multi_get(summary_key(body) for body in bodies)
    return [None if value is None else decode_summary(value) for value in values]


def put_summary(txn: Txn, body: int, summary: Summary | None) -> None:
    """Add to a transaction what is known of a body; None if it is no more."""
    if summary is None:
        txn.delete(summary_key(body))
    else:
        txn.put(summary_key(body), encode_summary(summary))


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
        settle: makes a part of an index that merged branches disagree about.
        places: is told which rows come to bodies.

    Raises:
        CorruptValue: stored bytes are damaged.
        Conflict: merged branches disagree about a part of an index that is changed, and nothing settles it.
    """
    if not len(rows.bodies):
        return
    mutation = stamp.mutation_id if stamp is not None and marking else 0
    touched = sort_rows(rows, np.full(len(rows.bodies), mutation, np.uint64))
    keys = chunk_keys(touched.bodies, touched.chunks)
    before = read_chunks(view, keys) if settle is None else settled_chunks(view, keys, settle)
    after = before.added(touched.rows) if adding else before.replaced(touched.rows)
    write_chunks(txn, keys, before, after)
    _tell(places, view.version, txn, touched)
    names = np.unique(touched.bodies).tolist()
    summaries = read_summaries(view, names) if settle is None else settled_summaries(view, names, settle)
    _change_summaries(view, txn, touched, before, after, stamp, summaries)


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


def _change_summaries(
    view: View,
    txn: Txn,
    touched: Touched,
    before: ChunkRows,
    after: ChunkRows,
    stamp: Stamp | None,
    summaries: Sequence[Summary | None],
) -> None:
    bodies, owners = np.unique(touched.bodies, return_inverse=True)
    count = len(bodies)
    voxels = _sums(owners, after, None, count) - _sums(owners, before, None, count)
    own = _sums(owners, after, after.supervoxels == touched.bodies[after.groups], count)
    own -= _sums(owners, before, before.supervoxels == touched.bodies[before.groups], count)
    old_blocks, new_blocks = before.block_numbers(), after.block_numbers()
    blocks = np.bincount(owners[new_blocks >> 9], minlength=count) - np.bincount(
        owners[old_blocks >> 9], minlength=count
    )
    gained = bounds_of_blocks(touched, owners, new_blocks, count)
    lost = bounds_of_blocks(touched, owners, np.setdiff1d(old_blocks, new_blocks, assume_unique=True), count)
    for number, (body, old) in enumerate(zip(bodies.tolist(), summaries, strict=True)):
        have = old or Summary(0, 0, 0, *_NOWHERE)
        left = have.blocks + int(blocks[number])
        if left <= 0:
            if old is not None:
                put_summary(txn, body, None)
            continue
        low, high = _union(gained[number], (have.low, have.high))
        if have.blocks and _loses_bound(lost[number], gained[number], (have.low, have.high)):
            low, high = _union(gained[number], _untouched(view, body, touched))
        summary = Summary(
            have.voxels + int(voxels[number]), have.own_voxels + int(own[number]), left, low, high, *have[5:]
        )
        put_summary(txn, body, summary._replace(**stamp._asdict()) if stamp else summary)


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

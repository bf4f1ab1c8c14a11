"""Changes of bodies: what is touched of their indices is read once, changed, and written once."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple, TypeAlias

import numpy as np
from dvid_labels import kernels
from dvid_labels.types import Buffer, Labels
from dvid_voxels.geometry import Triple

from dvid_framework.api import Txn, View
from dvid_labelmap.index_codec import (
    Stamp,
    decode_summary,
    is_whole,
    stored_bodies,
)
from dvid_labelmap.keys import chunk_bounds, summary_key
from dvid_labelmap.ops.body_records import put_records, read_summaries
from dvid_labelmap.ops.index_parts import Change, change_parts
from dvid_labelmap.ops.index_rows import (
    ChunkRows,
    Integers,
    Rows,
    blocks_of_places,
    places_of_blocks,
)
from dvid_labelmap.ops.settling import Settle, settled_bodies
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
    change = Change(view, txn, stamp, places, stamp.mutation_id if stamp is not None and marking else 0, adding)
    apart = np.array([value is not None and not is_whole(value) for value in values])
    if apart.any():
        known = [decode_summary(value) for value in values if value is not None and not is_whole(value)]
        mine = apart[owners]
        change_parts(change, names[apart], known, (np.cumsum(apart) - 1)[owners[mine]], rows.chosen(mine), settle)
        if apart.all():
            return
        owners, rows = (np.cumsum(~apart) - 1)[owners[~mine]], rows.chosen(~mine)
        values = [value for value in values if value is None or is_whole(value)]
        names = names[~apart]
    _change_whole(change, names, values, owners, rows, made)


def _change_whole(
    change: Change,
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
    changed: dict[int, bytes] = {}
    for body, before, record in zip(names.tolist(), values, records, strict=True):
        if body in made:
            txn.delete(summary_key(body))
            for key in change.view.keys(*chunk_bounds(body)):
                txn.delete(key)
        if record is None:
            if before is not None:
                txn.delete(summary_key(body))
        else:
            changed[body] = record
    grown = put_records(txn, changed)
    if grown:  # what is known of the places of an earlier body of that label lacks some
        txn.after_commit(lambda _: change.places.forget(grown))


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

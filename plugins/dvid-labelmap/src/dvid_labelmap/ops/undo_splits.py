"""Splits that are taken back: the parts of supervoxels become one again, in voxels, index and mapping."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from dvid_labels.types import Labels

from dvid_framework.api import Conflict, View
from dvid_labelmap.keys import split_key, stray_key
from dvid_labelmap.ops.body_commits import BodyChange, commit_bodies, joined_entries
from dvid_labelmap.ops.body_index import supervoxel_sizes
from dvid_labelmap.ops.body_rows import joined_rows, rows_of_supervoxels
from dvid_labelmap.ops.index_changes import change_rows
from dvid_labelmap.ops.index_rows import Integers, Rows
from dvid_labelmap.ops.mapping import bodies_of
from dvid_labelmap.ops.split_runs import NO_RUNS
from dvid_labelmap.ops.split_voxels import Parts, coarse_blocks, split_voxels, write_split
from dvid_labelmap.ops.splitting import body_turn, one

__all__ = ["SupervoxelParts", "undo_split", "undo_split_supervoxel"]


class SupervoxelParts(NamedTuple):
    """A supervoxel that was split, and its parts."""

    whole: int
    split: int
    remain: int


def undo_split_supervoxel(change: BodyChange, mutation_id: int, split_at: int, parts: SupervoxelParts) -> None:
    """Join the parts of a supervoxel, in whichever body both are now, and commit.

    Args:
        change: the change.
        mutation_id: the split.
        split_at: id of the version of the split.
        parts: the supervoxel and its parts.

    Raises:
        Conflict: the parts are in different bodies, or have been split since.
    """
    instance, version = change.instance, change.version
    with instance.view(version) as view:
        if not bodies_of(instance, view, one(parts.split))[0]:
            raise Conflict(f"supervoxel {parts.split} has been split since")
    with body_turn(change, parts.split) as body:
        _join(
            change.numbered(),
            (mutation_id, split_at),
            (body, body),
            [parts],
            {
                "action": "unsplit-supervoxel-complete",
                "Supervoxel": parts.whole,
                "Body": body,
                "SplitSupervoxel": parts.split,
                "RemainSupervoxel": parts.remain,
            },
        )


def undo_split(
    change: BodyChange, mutation_id: int, split_at: int, target: int, label: int, parts: Sequence[SupervoxelParts]
) -> None:
    """Join the body that was split off with the one that it came from, supervoxel by supervoxel, and commit.

    Raises:
        Conflict: one of both bodies, or of the supervoxels, has changed since.
    """
    instance, version = change.instance, change.version
    with instance.turns.with_bodies(change.number, (target, label)):
        with instance.view(version) as view:
            names = supervoxel_sizes(view, label)[0]
            others = np.setdiff1d(names, np.array([part.split for part in parts], np.uint64))
            if len(others):
                raise Conflict(f"body {label} has got supervoxel {others[0]} since")
        _join(
            change.numbered(),
            (mutation_id, split_at),
            (label, target),
            parts,
            {
                "action": "unsplit-complete",
                "Target": target,
                "NewLabel": label,
                "SVSplits": {str(part.whole): {"Split": part.split, "Remain": part.remain} for part in parts},
            },
        )


def _join(
    change: BodyChange,
    undone: tuple[int, int],
    bodies: tuple[int, int],
    parts: Sequence[SupervoxelParts],
    entry: dict[str, object],
) -> None:
    """Join supervoxels in the second of two bodies, whose turn must have come; the parts split off are in the first."""
    instance, version, txn, _ = change
    whole, split, remain = (np.array(column, np.uint64) for column in zip(*parts, strict=True))
    source, joined = np.append(split, remain), np.append(whole, whole)
    order = np.argsort(source)
    mapping = source[order], joined[order]
    with instance.view(version) as view:
        _check_parts(change, view, (whole, split, remain), bodies)
        found = [
            rows_of_supervoxels(view, change.places, body, np.sort(names))
            for body, names in zip(bodies, (split, remain), strict=True)
        ]
        rows = joined_rows(found)
        if not len(rows.blocks):
            raise Conflict("the parts have no voxels any more")
        with instance.turns.with_blocks(change.number, coarse_blocks(change, rows.blocks)):
            with instance.view(version) as fresh:
                _join_voxels(fresh, change, np.unique(rows.blocks, axis=0), mapping)
            gone = Rows(rows.bodies, rows.blocks, rows.supervoxels, np.zeros_like(rows.voxels))
            come = _joined_rows(rows, mapping, bodies[1])
            change_rows(view, txn, joined_rows([gone, come]), stamp=change.stamp, marking=False, places=change.places)
            mutation_id, split_at = undone
            for part in parts:
                txn.delete(split_key(split_at, mutation_id, part.whole))
            txn.emit(**entry, Undo=mutation_id)  # type: ignore[arg-type]  # the action is among the fields
            commit_bodies(change, joined_entries((whole, bodies[1]), (source, 0)))


def _check_parts(
    change: BodyChange, view: View, columns: tuple[Labels, Labels, Labels], bodies: tuple[int, int]
) -> None:
    """Check that the parts are where the split left them, and that the whole supervoxels are no more."""
    for names, body in zip(columns, (0, *bodies), strict=True):
        strayed = names[bodies_of(change.instance, view, names) != np.uint64(body)]
        if len(strayed):
            where = f"is no longer in body {body}" if body else "exists again"
            raise Conflict(f"supervoxel {strayed[0]} {where}")
    for label in columns[0].tolist():
        if stray_key(label) in view:
            raise Conflict(f"voxels were given the label {label} after it was split")


def _join_voxels(view: View, change: BodyChange, coordinates: Integers, mapping: tuple[Labels, Labels]) -> None:
    source, joined = mapping
    made = split_voxels(view, change, coordinates, NO_RUNS, Parts(source, joined, joined))
    write_split(view, change, made.coordinates, made.made, made.changed)


def _joined_rows(rows: Rows, mapping: tuple[Labels, Labels], body: int) -> Rows:
    """Return the rows of a body with parts counted to the supervoxels that they were; none twice."""
    whole = mapping[1][np.searchsorted(mapping[0], rows.supervoxels)]
    order = np.lexsort((whole, *rows.blocks.T))
    whole, blocks, voxels = whole[order], rows.blocks[order], rows.voxels[order]
    first = np.append(True, (whole[1:] != whole[:-1]) | (blocks[1:] != blocks[:-1]).any(axis=1))
    starts = np.flatnonzero(first)
    return Rows(np.full(len(starts), body, np.uint64), blocks[first], whole[first], np.add.reduceat(voxels, starts))

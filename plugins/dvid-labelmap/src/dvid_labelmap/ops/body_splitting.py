"""Splits of bodies: voxels of a body become another body; every supervoxel that has some of them is split."""

from __future__ import annotations

import numpy as np
from dvid_labels.types import Labels
from numpy.typing import NDArray

from dvid_framework.api import BadRequest, View
from dvid_labelmap.ops.body_commits import BodyChange, commit_bodies, joined_entries
from dvid_labelmap.ops.body_index import supervoxel_sizes
from dvid_labelmap.ops.body_rows import joined_rows, named_blocks, rows_of_supervoxels
from dvid_labelmap.ops.index_changes import change_rows, read_summaries
from dvid_labelmap.ops.index_rows import Integers, Rows
from dvid_labelmap.ops.split_runs import count_voxels, runs_by_block
from dvid_labelmap.ops.split_voxels import Parts, SplitVoxels, coarse_blocks, split_voxels, write_split
from dvid_labelmap.ops.splitting import SplitLabels, put_split

__all__ = ["split_body"]

_BACKGROUND = np.zeros(1, np.uint64)


def split_body(change: BodyChange, body: int, runs: NDArray[np.int32], wanted: int = 0) -> int:
    """Split a body, and commit; returns the label of the new body.

    Args:
        change: the change.
        body: the body.
        runs: the voxels to split off, int32 (n, 4) as x, y, z, length; those of label 0 are passed over.
        wanted: the label that the new body shall have; 0 for one that the counters give.

    Raises:
        BadRequest: there is no such body, a voxel is of another or given twice, or none or all would be split off; or
            there is a body of the wanted label.
        Unavailable: the bodies of the instance are still being indexed.
    """
    instance, version, txn, _ = change
    instance.check_indexed()
    with instance.turns.with_bodies(change.number, (body, wanted or body)), instance.view(version) as view:
        summary, taken = read_summaries(view, [body, wanted])
        given = count_voxels(runs)
        if summary is None:
            raise BadRequest(f"there is no body {body} at this version")
        if given >= summary.voxels:
            raise BadRequest(f"body {body} has {summary.voxels} voxels; fewer can be split off, but not {given}")
        if taken is not None:
            raise BadRequest(f"there is a body {wanted} at this version already")
        cut = runs_by_block(runs, instance.settings.block_size)
        names = supervoxel_sizes(view, body)[0]
        with instance.turns.with_blocks(change.number, _all_blocks(change, view, body, names)):
            with instance.view(version) as fresh:
                known = np.append(_BACKGROUND, names)
                counted = split_voxels(fresh, change, cut.coordinates, cut, Parts(known, known, known))
                touched = _touched(counted, given, body)
                labels = instance.counters.take(1 + 2 * len(touched))
                label = wanted or labels
                splits = labels + 1 + 2 * np.arange(len(touched), dtype=np.uint64)
                parts = Parts(touched, splits, splits + np.uint64(1))
                rows = rows_of_supervoxels(view, change.places, body, touched)
                made = split_voxels(fresh, change, np.unique(rows.blocks, axis=0), cut, parts)
                change = change.numbered()
                write_split(fresh, change, made.coordinates, made.made, made.changed)
            _move_rows(change, view, rows, made, parts, label)
            pairs = {
                sv: SplitLabels(split, split + 1) for sv, split in zip(touched.tolist(), splits.tolist(), strict=True)
            }
            for supervoxel, pair in pairs.items():
                put_split(change, supervoxel, pair)
            txn.emit(
                "split-complete",
                Target=body,
                NewLabel=label,
                Split=txn.put_blob(runs.astype("<i4").tobytes()),
                SVSplits={str(sv): {"Split": pair.split, "Remain": pair.remain} for sv, pair in pairs.items()},
                **named_blocks(rows),
            )
            entries = joined_entries((parts.inside, label), (parts.outside, body), (touched, 0))
            commit_bodies(change, entries, taken=labels + 2 * len(touched), named=wanted)
    return label


def _all_blocks(change: BodyChange, view: View, body: int, names: Labels) -> Integers:
    return coarse_blocks(change, rows_of_supervoxels(view, change.places, body, names).blocks)


def _touched(counted: SplitVoxels, given: int, body: int) -> Labels:
    """Return the supervoxels that have some of the voxels, uint64 (n,), ascending.

    Raises:
        BadRequest: a voxel is of another body or given twice, or none is of this one.
    """
    if int(counted.voxels.sum()) != given:
        raise BadRequest(f"some of the {given} voxels are not of body {body}, or given twice: nothing was split")
    touched = np.unique(counted.labels[counted.labels != 0])
    if not len(touched):
        raise BadRequest(f"none of the voxels are of body {body}")
    return touched


def _move_rows(change: BodyChange, view: View, rows: Rows, made: SplitVoxels, parts: Parts, label: int) -> None:
    """Move what the index has of the supervoxels to their parts: the split ones to the new body."""
    number = {tuple(block): i for i, block in enumerate(made.coordinates.tolist())}
    owners = np.array([number.get(tuple(block), -1) for block in rows.blocks.tolist()], np.int64)
    places = np.searchsorted(parts.source, rows.supervoxels)
    inside = np.zeros((len(made.coordinates) + 1) * len(parts.source), np.int64)
    inside[made.blocks * len(parts.source) + np.searchsorted(parts.source, made.labels)] = made.voxels
    taken = inside[owners * len(parts.source) + places]  # blocks that are not stored have none: the last ones
    left = np.maximum(rows.voxels - taken, 0)
    gone = Rows(rows.bodies, rows.blocks, rows.supervoxels, np.zeros_like(rows.voxels))
    new = np.full_like(rows.bodies, label)
    split = Rows(new, rows.blocks, parts.inside[places], taken).chosen(taken > 0)
    rest = Rows(rows.bodies, rows.blocks, parts.outside[places], left).chosen(left > 0)
    change_rows(view, change.txn, joined_rows([gone, split, rest]), stamp=change.stamp, places=change.places)

"""Splits of supervoxels: voxels of one become another; both parts get new labels, and stay in their body."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
from dvid_labels.types import Labels
from numpy.typing import NDArray

from dvid_framework.api import BadRequest, View
from dvid_labelmap.keys import split_key
from dvid_labelmap.ops.body_commits import BodyChange, commit_bodies, joined_entries
from dvid_labelmap.ops.body_rows import joined_rows, rows_of_supervoxels
from dvid_labelmap.ops.index_changes import change_rows, read_summaries
from dvid_labelmap.ops.index_rows import Integers, Rows
from dvid_labelmap.ops.mapping import body_of
from dvid_labelmap.ops.split_runs import BlockRuns, count_voxels, runs_by_block
from dvid_labelmap.ops.split_voxels import Parts, SplitVoxels, coarse_blocks, split_voxels, write_split

__all__ = ["SplitLabels", "body_turn", "check_unused", "one", "put_split", "split_supervoxel"]


class SplitLabels(NamedTuple):
    """The labels of the parts: of the voxels that were given, and of the others."""

    split: int
    remain: int


def one(label: int) -> Labels:
    """Return a label as an array, uint64 (1,)."""
    return np.array([label], np.uint64)


@contextmanager
def body_turn(change: BodyChange, supervoxel: int) -> Iterator[int]:
    """Hold the turn of the body of a supervoxel, whichever that is by then; gives the body.

    Raises:
        BadRequest: it was split and is no more.
    """
    instance, version = change.instance, change.version
    while True:
        with instance.view(version) as view:
            body = body_of(instance, view, supervoxel)
        if not body:
            raise BadRequest(f"the supervoxel {supervoxel} was split and is no more")
        with instance.turns.with_bodies(change.number, (body,)):
            with instance.view(version) as view:
                still = body_of(instance, view, supervoxel) == body
            if still:
                yield body
                return


def check_unused(change: BodyChange, view: View, labels: Labels) -> None:
    """Check that no body, and no supervoxel of another body, has one of the labels.

    Raises:
        BadRequest: one has.
    """
    known = change.instance.mappings.chain(view).find(labels)[0]
    summaries = read_summaries(view, labels.tolist())
    for label, mapped, summary in zip(labels.tolist(), known.tolist(), summaries, strict=True):
        if mapped or summary is not None:
            raise BadRequest(f"the label {label} is in use: leave it out, and a new one is given")


def _part_labels(change: BodyChange, view: View, supervoxel: int, wanted: SplitLabels) -> tuple[SplitLabels, int]:
    """Return the labels of the parts, new ones where none are wanted, and the largest new one (0: none)."""
    named = np.array([label for label in wanted if label], np.uint64)
    if supervoxel in wanted or len(np.unique(named)) < len(named):
        raise BadRequest("the parts of a supervoxel must get labels that differ from it and from each other")
    check_unused(change, view, named)
    missing = 2 - len(named)
    if not missing:
        return wanted, 0
    first = change.instance.counters.take(missing)
    split = wanted.split or first
    return SplitLabels(split, wanted.remain or first + missing - 1), first + missing - 1


def split_supervoxel(
    change: BodyChange, supervoxel: int, runs: NDArray[np.int32], wanted: SplitLabels, *, downres: bool
) -> SplitLabels:
    """Split a supervoxel, and commit; returns the labels of its parts.

    Args:
        change: the change.
        supervoxel: the supervoxel.
        runs: the voxels to split off, int32 (n, 4) as x, y, z, length.
        wanted: labels for the parts; 0 for new ones.
        downres: whether the lower resolutions follow.

    Raises:
        BadRequest: there is no such supervoxel, a voxel is not of it or given twice, or none would remain.
        Unavailable: the bodies of the instance are still being indexed.
    """
    instance, version, txn, _ = change
    instance.check_indexed()
    with body_turn(change, supervoxel) as body, instance.view(version) as view:
        rows = rows_of_supervoxels(view, change.places, body, one(supervoxel))
        total, given = int(rows.voxels.sum()), count_voxels(runs)
        if not total:
            raise BadRequest(f"there is no supervoxel {supervoxel} at this version")
        if given >= total:
            raise BadRequest(f"supervoxel {supervoxel} has {total} voxels; fewer can be split off, but not {given}")
        cut = runs_by_block(runs, instance.settings.block_size)
        labels, largest = _part_labels(change, view, supervoxel, wanted)
        parts = Parts(one(supervoxel), one(labels.split), one(labels.remain))
        with instance.turns.with_blocks(change.number, coarse_blocks(change, rows.blocks)):
            with instance.view(version) as fresh:
                made = split_voxels(fresh, change, rows.blocks, cut, parts)
                _check_all_inside(made, cut, supervoxel)
                change = change.numbered()
                write_split(fresh, change, made.coordinates, made.made, made.changed, downres=downres)
            _move_rows(change, view, rows, made, labels)
            put_split(change, supervoxel, labels)
            txn.emit(
                "split-supervoxel-complete",
                Supervoxel=supervoxel,
                Body=body,
                SplitSupervoxel=labels.split,
                RemainSupervoxel=labels.remain,
                Split=txn.put_blob(runs.astype("<i4").tobytes()),
                SplitSize=given,
                RemainSize=total - given,
            )
            entries = joined_entries((one(labels.split), body), (one(labels.remain), body), (one(supervoxel), 0))
            commit_bodies(change, entries, taken=largest, named=max(wanted))
    return labels


def _check_all_inside(made: SplitVoxels, cut: BlockRuns, supervoxel: int) -> None:
    """Check that every voxel that was given has the supervoxel, and stands in one run only."""
    found = np.zeros(len(made.coordinates), np.int64)
    found[made.blocks] = made.voxels
    counts = {tuple(block): count for block, count in zip(made.coordinates.tolist(), found.tolist(), strict=True)}
    for block, voxels in zip(cut.coordinates.tolist(), cut.voxels.tolist(), strict=True):
        inside = counts.get(tuple(block), 0)
        if inside != voxels:
            raise BadRequest(
                f"of the {voxels} voxels that are given in block {tuple(block)} only {inside} are of supervoxel "
                f"{supervoxel}, or some are given twice: nothing was split"
            )


def _move_rows(change: BodyChange, view: View, rows: Rows, made: SplitVoxels, labels: SplitLabels) -> None:
    """Move what the index has of a supervoxel to its parts, block by block."""
    places = {tuple(block): number for number, block in enumerate(rows.blocks.tolist())}
    inside: Integers = np.zeros(len(rows.blocks), np.int64)
    for number, voxels in zip(made.blocks.tolist(), made.voxels.tolist(), strict=True):
        inside[places[tuple(made.coordinates[number].tolist())]] = voxels
    outside = np.maximum(rows.voxels - inside, 0)
    gone = Rows(rows.bodies, rows.blocks, rows.supervoxels, np.zeros_like(rows.voxels))
    split = Rows(rows.bodies, rows.blocks, np.full_like(rows.supervoxels, labels.split), inside).chosen(inside > 0)
    rest = Rows(rows.bodies, rows.blocks, np.full_like(rows.supervoxels, labels.remain), outside).chosen(outside > 0)
    change_rows(
        view, change.txn, joined_rows([gone, split, rest]), stamp=change.stamp, marking=False, places=change.places
    )


def put_split(change: BodyChange, supervoxel: int, labels: SplitLabels) -> None:
    """Note what became of a supervoxel, for `supervoxel-splits`."""
    value = labels.remain.to_bytes(8, "little") + labels.split.to_bytes(8, "little")
    change.txn.put(split_key(change.number, change.stamp.mutation_id, supervoxel), value)

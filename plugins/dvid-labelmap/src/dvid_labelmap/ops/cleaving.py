"""Cleaves: supervoxels of a body become a body of their own."""

from __future__ import annotations

import numpy as np
from dvid_labels.types import Labels

from dvid_framework.api import BadRequest, View
from dvid_labelmap.ops.body_commits import BodyChange, commit_bodies, joined_entries
from dvid_labelmap.ops.body_rows import joined_rows, named_blocks, rows_of_supervoxels
from dvid_labelmap.ops.index_changes import change_rows, read_summaries
from dvid_labelmap.ops.index_rows import Rows, are_among
from dvid_labelmap.ops.mapping import bodies_of

__all__ = ["cleave_body", "move_out"]


def cleave_body(change: BodyChange, body: int, supervoxels: Labels) -> int:
    """Cleave supervoxels from a body, and commit; returns the label of the new body.

    Args:
        change: the change.
        body: the body, which keeps its label whichever supervoxels go.
        supervoxels: those that go; ones without voxels that are mapped to the body are passed over.

    Raises:
        BadRequest: there is no such body, one is no supervoxel of it, none has voxels, or none would remain.
        Unavailable: the bodies of the instance are still being indexed.
    """
    instance, version, txn, _ = change
    instance.check_indexed()
    if not len(supervoxels):
        raise BadRequest("a cleave takes a list of at least one supervoxel")
    with instance.turns.with_few_bodies(change.number, (body,)):
        with instance.view(version) as view:
            (summary,) = read_summaries(view, [body])
            if summary is None:
                raise BadRequest(f"there is no body {body} at this version")
            rows = rows_of_supervoxels(view, change.places, body, np.unique(supervoxels))
            cleaved = np.unique(rows.supervoxels)
            absent = supervoxels[~are_among(supervoxels, cleaved)]
            if len(absent):
                _check_members(change, view, body, absent)
            size = int(rows.voxels.sum())
            if not 0 < size < summary.voxels:
                raise BadRequest("a cleave takes some supervoxels of a body, but not all that have voxels, nor none")
            label = instance.counters.take(1)
            change = change.numbered()
            move_out(change, view, rows, np.full(len(rows.bodies), label, np.uint64))
        txn.emit(
            "cleave-complete",
            OrigLabel=body,
            CleavedLabel=label,
            CleavedSupervoxels=supervoxels.tolist(),
            CleavedSize=size,
            RemainSize=summary.voxels - size,
            **named_blocks(rows),
        )
        commit_bodies(change, joined_entries((cleaved, label), (np.array([label], np.uint64), 0)), taken=label)
    return label


def _check_members(change: BodyChange, view: View, body: int, absent: Labels) -> None:
    """Check that supervoxels without voxels in a body are at least mapped to it."""
    foreign = absent[bodies_of(change.instance, view, absent) != np.uint64(body)]
    if len(foreign):
        raise BadRequest(f"{foreign[0]} is no supervoxel of body {body}: nothing was cleaved")


def move_out(change: BodyChange, view: View, rows: Rows, bodies: Labels) -> None:
    """Move rows of a body's index to bodies that have none yet; `bodies` are uint64 (r,)."""
    gone = Rows(rows.bodies, rows.blocks, rows.supervoxels, np.zeros_like(rows.voxels))
    come = Rows(bodies, rows.blocks, rows.supervoxels, rows.voxels)
    change_rows(view, change.txn, joined_rows([gone, come]), stamp=change.stamp, places=change.places)

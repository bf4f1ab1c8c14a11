"""Cleaves: supervoxels of a body become a body of their own."""

from __future__ import annotations

import numpy as np
from dvid_labels import kernels
from dvid_labels.types import Labels, Mapping

from dvid_framework.api import BadRequest, View
from dvid_labelmap.index_codec import Summary, decode_head, stored_bodies
from dvid_labelmap.keys import summary_key
from dvid_labelmap.ops.at_once import cleave_whole, whole_bodies
from dvid_labelmap.ops.body_commits import BodyChange, commit_bodies, commit_in, committing, joined_entries
from dvid_labelmap.ops.body_rows import joined_rows, named_blocks, rows_of_supervoxels
from dvid_labelmap.ops.index_changes import change_rows, read_summaries
from dvid_labelmap.ops.index_rows import Rows, are_among
from dvid_labelmap.ops.mapping import bodies_of

__all__ = ["cleave_at_once", "cleave_body", "move_out"]


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
    _check(change, supervoxels)
    with change.instance.turns.with_few_bodies(change.number, (body,)):
        return _cleave_whole(change, body, supervoxels) or _cleave_rows(change, body, supervoxels)


def cleave_at_once(change: BodyChange, body: int, supervoxels: Labels) -> int | None:
    """As `cleave_body`, if that takes little time and waits for nobody; returns None if not, and has done nothing."""
    _check(change, supervoxels)
    with change.instance.turns.with_bodies_at_hand(change.number, (body,)) as is_turn:
        return _cleave_whole(change, body, supervoxels) if is_turn else None


def _check(change: BodyChange, supervoxels: Labels) -> None:
    change.instance.check_indexed()
    if not len(supervoxels):
        raise BadRequest("a cleave takes a list of at least one supervoxel")


def _cleave_whole(change: BodyChange, body: int, supervoxels: Labels) -> int | None:
    """Cleave a body that can be read whole; None if it can't."""
    with committing(change) as view:
        value = view.get(summary_key(body))
        if value is None:
            raise BadRequest(f"there is no body {body} at this version")
        found = whole_bodies(view, [(body, value)])
        if found is None:
            return None
        (whole,) = found
        with stored_bodies():
            wanted = supervoxels if len(supervoxels) == 1 else np.unique(supervoxels)
            cleaved, size = kernels.record_share(whole.record, wanted)
        remaining = _remaining(change, view, body, supervoxels, cleaved, size, decode_head(whole.record))
        label = change.instance.counters.take(1)
        change = change.numbered()
        made = cleave_whole(change, whole, label, cleaved)
        _emit(change, body, label, supervoxels, (size, remaining), {"_Blocks": made.blocks})
        commit_in(change, view, _entries(cleaved, label), taken=label)
    return label


def _cleave_rows(change: BodyChange, body: int, supervoxels: Labels) -> int:
    """Cleave a body of any size."""
    with change.instance.view(change.version) as view:
        (summary,) = read_summaries(view, [body])
        if summary is None:
            raise BadRequest(f"there is no body {body} at this version")
        rows = rows_of_supervoxels(view, change.places, body, np.unique(supervoxels))
        cleaved, size = np.unique(rows.supervoxels), int(rows.voxels.sum())
        remaining = _remaining(change, view, body, supervoxels, cleaved, size, summary)
        label = change.instance.counters.take(1)
        change = change.numbered()
        move_out(change, view, rows, np.full(len(rows.bodies), label, np.uint64))
    _emit(change, body, label, supervoxels, (size, remaining), named_blocks(rows))
    commit_bodies(change, _entries(cleaved, label), taken=label)
    return label


def _remaining(
    change: BodyChange, view: View, body: int, supervoxels: Labels, cleaved: Labels, size: int, summary: Summary
) -> int:
    """Return how many voxels a body keeps.

    Raises:
        BadRequest: a supervoxel is none of it, or none of them has voxels, or no others have.
    """
    if len(cleaved) < len(supervoxels) and len(absent := supervoxels[~are_among(supervoxels, cleaved)]):
        _check_members(change, view, body, absent)
    if not 0 < size < summary.voxels:
        raise BadRequest("a cleave takes some supervoxels of a body, but not all that have voxels, nor none")
    return summary.voxels - size


def _emit(
    change: BodyChange, body: int, label: int, supervoxels: Labels, sizes: tuple[int, int], blocks: dict[str, bytes]
) -> None:
    """Add the log entry of a cleave; `sizes` are the voxels of the new body and of the rest."""
    change.txn.emit(
        "cleave-complete",
        OrigLabel=body,
        CleavedLabel=label,
        CleavedSupervoxels=supervoxels.tolist(),
        CleavedSize=sizes[0],
        RemainSize=sizes[1],
        **blocks,
    )


def _entries(cleaved: Labels, label: int) -> Mapping:
    """Return what supervoxels are mapped to after a cleave."""
    return joined_entries((cleaved, label), (np.array([label], np.uint64), 0))


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

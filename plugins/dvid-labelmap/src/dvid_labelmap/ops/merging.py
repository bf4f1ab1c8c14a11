"""Merges of bodies: one unit over indices, mappings and log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from dvid_labels.types import Labels

from dvid_framework.api import BadRequest, View
from dvid_labelmap.keys import summary_key
from dvid_labelmap.ops.body_commits import BodyChange, commit_bodies, joined_entries
from dvid_labelmap.ops.body_rows import take_bodies
from dvid_labelmap.ops.index_changes import change_rows
from dvid_labelmap.ops.index_rows import Rows

__all__ = ["merge_bodies", "move_into", "parse_merge"]


def parse_merge(labels: Labels) -> tuple[int, list[int]]:
    """Return the target and the bodies to merge into it, each once.

    Raises:
        BadRequest: there are fewer than two labels, one is 0, or the target is among the others.
    """
    if len(labels) < 2:
        raise BadRequest("a merge takes the label of the target and of at least one other body: [target, label, ...]")
    target, *others = labels.tolist()
    if not target or 0 in others:
        raise BadRequest("label 0 can't be merged")
    if target in others:
        raise BadRequest(f"body {target} can't be merged into itself")
    return target, sorted(set(others))


def merge_bodies(change: BodyChange, target: int, merged: Sequence[int]) -> None:
    """Merge bodies into a target, and commit.

    Args:
        change: the change.
        target: the body that stays.
        merged: the bodies that become part of it, each once.

    Raises:
        BadRequest: one of them is no body.
        Unavailable: the bodies of the instance are still being indexed.
    """
    instance, version, txn, _ = change
    instance.check_indexed()
    with instance.turns.with_few_bodies(change.number, (target, *merged)):
        with instance.view(version) as view:
            bodies = [*merged, target]
            for body, value in zip(bodies, view.multi_get(map(summary_key, bodies)), strict=True):
                if value is None:
                    raise BadRequest(f"there is no body {body} at this version: nothing was merged")
            change = change.numbered()
            entry, supervoxels = move_into(change, view, target, merged)
        txn.emit(**entry)
        commit_bodies(change, joined_entries((supervoxels, target)))


def move_into(change: BodyChange, view: View, target: int, merged: Sequence[int]) -> tuple[Mapping[str, Any], Labels]:
    """Move the index of bodies into a target's; returns the log entry, and the supervoxels that go over.

    What each body was made of stands in the entry, so that the merge can be undone.
    """
    rows = take_bodies(view, change.txn, merged)
    owners, names = _members(rows)
    first, last = (owners.searchsorted(np.array(merged, np.uint64), side).tolist() for side in ("left", "right"))
    moved = Rows(np.full(len(rows.bodies), target, np.uint64), rows.blocks, rows.supervoxels, rows.voxels)
    change_rows(view, change.txn, moved, adding=True, stamp=change.stamp, places=change.places)
    entry = {
        "action": "merge-complete",
        "Target": target,
        "Labels": list(merged),
        "_Supervoxels": [names[a:b].astype("<u8").tobytes() for a, b in zip(first, last, strict=True)],
    }
    return entry, np.unique(names)


def _members(rows: Rows) -> tuple[Labels, Labels]:
    """Return bodies and the supervoxels that they are made of, uint64 (n,) each, sorted by body and supervoxel."""
    order = np.lexsort((rows.supervoxels, rows.bodies))
    owners, names = rows.bodies[order], rows.supervoxels[order]
    first = np.ones(len(order), bool)
    first[1:] = (owners[1:] != owners[:-1]) | (names[1:] != names[:-1])
    return owners[first], names[first]

"""Merges of bodies: one unit over indices, mappings and log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from dvid_labels.types import Buffer, Labels

from dvid_framework.api import BadRequest, View
from dvid_labelmap.keys import summary_key
from dvid_labelmap.ops.at_once import merge_whole, whole_bodies
from dvid_labelmap.ops.body_commits import BodyChange, commit_bodies, commit_in, committing, joined_entries
from dvid_labelmap.ops.body_rows import take_bodies
from dvid_labelmap.ops.index_changes import change_rows
from dvid_labelmap.ops.index_rows import Rows

__all__ = ["merge_at_once", "merge_bodies", "move_into", "parse_merge"]

_BRIEF = 64  # bodies that are merged in about a millisecond
_WHOLE = 1024  # that are read at once, while nobody else commits


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
    change.instance.check_indexed()
    with change.instance.turns.with_few_bodies(change.number, (target, *merged)):
        if len(merged) > _WHOLE or not _merge_whole(change, target, merged):
            _merge_rows(change, target, merged)


def merge_at_once(change: BodyChange, target: int, merged: Sequence[int]) -> bool | None:
    """As `merge_bodies`, if that takes little time and waits for nobody; returns None if not, and has done nothing."""
    change.instance.check_indexed()
    if len(merged) > _BRIEF:
        return None
    with change.instance.turns.with_bodies_at_hand(change.number, (target, *merged)) as is_turn:
        return (is_turn and _merge_whole(change, target, merged)) or None


def _merge_whole(change: BodyChange, target: int, merged: Sequence[int]) -> bool:
    """Merge bodies that can be read whole; tells whether they can."""
    with committing(change) as view:
        bodies = whole_bodies(view, _stored_bodies(view, target, merged))
        if bodies is None:
            return False
        change = change.numbered()
        members, supervoxels = merge_whole(change, bodies)
        change.txn.emit(**_entry(target, merged, members))
        commit_in(change, view, joined_entries((supervoxels, target)))
    return True


def _merge_rows(change: BodyChange, target: int, merged: Sequence[int]) -> None:
    """Merge bodies of any size."""
    with change.instance.view(change.version) as view:
        _stored_bodies(view, target, merged)
        change = change.numbered()
        entry, supervoxels = move_into(change, view, target, merged)
    change.txn.emit(**entry)
    commit_bodies(change, joined_entries((supervoxels, target)))


def _stored_bodies(view: View, target: int, merged: Sequence[int]) -> list[tuple[int, Buffer]]:
    """Return the target and the bodies to be merged, and what is stored of each.

    Raises:
        BadRequest: one of them is no body.
    """
    bodies = [target, *merged]
    stored = list(zip(bodies, view.multi_get(map(summary_key, bodies)), strict=True))
    for body, value in [*stored[1:], stored[0]]:
        if value is None:
            raise BadRequest(f"there is no body {body} at this version: nothing was merged")
    return [(body, value) for body, value in stored if value is not None]


def _entry(target: int, merged: Sequence[int], members: Sequence[bytes]) -> dict[str, Any]:
    """Return the log entry of a merge, with the supervoxels of each body that became part of the target."""
    return {"action": "merge-complete", "Target": target, "Labels": list(merged), "_Supervoxels": list(members)}


def move_into(change: BodyChange, view: View, target: int, merged: Sequence[int]) -> tuple[Mapping[str, Any], Labels]:
    """Move the index of bodies into a target's; returns the log entry, and the supervoxels that go over.

    What each body was made of stands in the entry, so that the merge can be undone.
    """
    rows = take_bodies(view, change.txn, merged)
    owners, names = _members(rows)
    first, last = (owners.searchsorted(np.array(merged, np.uint64), side).tolist() for side in ("left", "right"))
    moved = Rows(np.full(len(rows.bodies), target, np.uint64), rows.blocks, rows.supervoxels, rows.voxels)
    change_rows(view, change.txn, moved, adding=True, stamp=change.stamp, places=change.places)
    members = [names[a:b].astype("<u8").tobytes() for a, b in zip(first, last, strict=True)]
    return _entry(target, merged, members), np.unique(names)


def _members(rows: Rows) -> tuple[Labels, Labels]:
    """Return bodies and the supervoxels that they are made of, uint64 (n,) each, sorted by body and supervoxel."""
    order = np.lexsort((rows.supervoxels, rows.bodies))
    owners, names = rows.bodies[order], rows.supervoxels[order]
    first = np.ones(len(order), bool)
    first[1:] = (owners[1:] != owners[:-1]) | (names[1:] != names[:-1])
    return owners[first], names[first]

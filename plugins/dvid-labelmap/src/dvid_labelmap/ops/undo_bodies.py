"""Merges, cleaves and renumberings that are taken back: on the wire each is a cleave, a merge, a renumbering."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from dvid_labels.types import Labels

from dvid_framework.api import Conflict, View
from dvid_labelmap.index_codec import Summary
from dvid_labelmap.ops.body_commits import BodyChange, commit_bodies, joined_entries
from dvid_labelmap.ops.body_index import supervoxel_sizes
from dvid_labelmap.ops.body_rows import named_blocks, rows_of_supervoxels
from dvid_labelmap.ops.cleaving import move_out
from dvid_labelmap.ops.index_changes import read_summaries
from dvid_labelmap.ops.mapping import bodies_of
from dvid_labelmap.ops.merging import move_into
from dvid_labelmap.ops.renumbering import move_body

__all__ = ["Part", "undo_cleaves", "undo_merge", "undo_renumber"]


class Part(NamedTuple):
    """A body that a mutation took in or let go, and the supervoxels that it had, uint64 (n,)."""

    label: int
    supervoxels: Labels


def _existing(view: View, body: int) -> Summary:
    (summary,) = read_summaries(view, [body])
    if summary is None:
        raise Conflict(f"there is no body {body} any more")
    return summary


def _need_free(view: View, labels: Sequence[int]) -> None:
    for label, summary in zip(labels, read_summaries(view, labels), strict=True):
        if summary is not None:
            raise Conflict(f"there is a body {label} again")


def undo_merge(change: BodyChange, mutation_id: int, target: int, parts: Sequence[Part]) -> None:
    """Give back to merged bodies what they had, and commit.

    Raises:
        Conflict: the bodies are no longer what the merge made of them.
    """
    instance, version, txn, _ = change
    names = [part.label for part in parts]
    supervoxels = np.concatenate([part.supervoxels for part in parts]).astype(np.uint64)
    order = np.argsort(supervoxels)
    owners = np.repeat(np.array(names, np.uint64), [len(part.supervoxels) for part in parts])
    with instance.turns.with_bodies(change.number, (target, *names)):
        with instance.view(version) as view:
            summary = _existing(view, target)
            _need_free(view, names)
            strayed = supervoxels[bodies_of(instance, view, supervoxels) != np.uint64(target)]
            if len(strayed):
                raise Conflict(f"supervoxel {strayed[0]} is no longer in body {target}")
            rows = rows_of_supervoxels(view, change.places, target, supervoxels[order])
            owner = owners[order][np.searchsorted(supervoxels[order], rows.supervoxels)]
            sizes = {name: int(rows.voxels[owner == np.uint64(name)].sum()) for name in names}
            if int(rows.voxels.sum()) >= summary.voxels or 0 in sizes.values():
                raise Conflict(f"body {target}, or one that was merged into it, would have no voxels")
            change = change.numbered()
            move_out(change, view, rows, owner)
        remain = summary.voxels
        for name, members in parts:
            remain -= sizes[name]
            txn.emit(
                "cleave-complete",
                OrigLabel=target,
                CleavedLabel=name,
                CleavedSupervoxels=members.tolist(),
                CleavedSize=sizes[name],
                RemainSize=remain,
                Undo=mutation_id,
                **named_blocks(rows.chosen(owner == np.uint64(name))),
            )
        commit_bodies(change, (supervoxels, owners))


def undo_cleaves(change: BodyChange, mutation_id: int, body: int, parts: Sequence[Part]) -> None:
    """Merge cleaved bodies back into the one that they were cleaved from, and commit.

    Raises:
        Conflict: the bodies are no longer what the cleave made of them.
    """
    instance, version, txn, _ = change
    names = [part.label for part in parts]
    with instance.turns.with_bodies(change.number, (body, *names)):
        with instance.view(version) as view:
            _existing(view, body)
            for name, members in parts:
                _existing(view, name)
                others = np.setdiff1d(supervoxel_sizes(view, name)[0], members)
                if len(others):
                    raise Conflict(f"body {name} has got supervoxel {others[0]} since")
                homes = bodies_of(instance, view, members)
                strayed = members[(homes != np.uint64(name)) & (homes != np.uint64(body))]
                if len(strayed):
                    raise Conflict(f"supervoxel {strayed[0]} is no longer in body {name}")
            change = change.numbered()
            entry, moved = move_into(change, view, body, names)
        txn.emit(**entry, Undo=mutation_id)
        commit_bodies(change, joined_entries((moved, body), *((members, body) for _, members in parts)))


def undo_renumber(change: BodyChange, mutation_id: int, new: int, old: int) -> None:
    """Give a body its former label back, and commit.

    Raises:
        Conflict: there is no such body any more, or again one with its former label.
    """
    instance, version, txn, _ = change
    with instance.turns.with_bodies(change.number, (new, old)):
        with instance.view(version) as view:
            summary = _existing(view, new)
            _need_free(view, [old])
            change = change.numbered()
            supervoxels = move_body(change, view, old, new, summary)
        txn.emit("renumber-complete", NewLabel=old, OrigLabel=new, Undo=mutation_id)
        commit_bodies(change, joined_entries((supervoxels, old)))

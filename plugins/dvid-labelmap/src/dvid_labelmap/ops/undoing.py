"""Undo: what a logged mutation did to bodies is taken back by one of its own, if they are still as it left them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from dvid_framework.api import Conflict, Mutation, NotFound
from dvid_labelmap.ops.body_commits import BodyChange
from dvid_labelmap.ops.undo_bodies import Part, undo_cleaves, undo_merge, undo_renumber
from dvid_labelmap.ops.undo_splits import SupervoxelParts, undo_split, undo_split_supervoxel

__all__ = ["undo"]


def undo(change: BodyChange, mutation_id: int) -> None:
    """Take back a mutation of this version or of an ancestor, and commit.

    Raises:
        NotFound: no logged mutation has that id.
        Conflict: it is none that can be undone, or its bodies have changed since.
        Unavailable: the bodies of the instance are still being indexed.
    """
    change.instance.check_indexed()
    mutation = _find(change, mutation_id)
    _take_back(change, mutation_id, mutation)


def _find(change: BodyChange, mutation_id: int) -> Mutation:
    instance = change.instance
    mutation = instance.find_mutation(mutation_id, list(instance.repo.dag.first_parents(change.number)))
    if mutation is None:
        raise NotFound(f"no logged mutation of this version or of an ancestor has the id {mutation_id}")
    return mutation


def _take_back(change: BodyChange, mutation_id: int, mutation: Mutation) -> None:
    entries: Sequence[dict[str, Any]] = mutation.entries
    entry, actions = entries[0], {entry["Action"] for entry in entries}
    if actions == {"cleave-complete"}:
        parts = [Part(entry["CleavedLabel"], np.array(entry["CleavedSupervoxels"], np.uint64)) for entry in entries]
        undo_cleaves(change, mutation_id, entry["OrigLabel"], parts)
    elif actions == {"merge-complete"} and "_Supervoxels" in entry:
        labels, members = entry["Labels"], entry["_Supervoxels"]
        parts = [Part(label, np.frombuffer(m, "<u8")) for label, m in zip(labels, members, strict=True)]
        undo_merge(change, mutation_id, entry["Target"], parts)
    elif actions == {"renumber-complete"}:
        undo_renumber(change, mutation_id, entry["NewLabel"], entry["OrigLabel"])
    elif actions == {"split-supervoxel-complete"}:
        whole = SupervoxelParts(entry["Supervoxel"], entry["SplitSupervoxel"], entry["RemainSupervoxel"])
        undo_split_supervoxel(change, mutation_id, mutation.version, whole)
    elif actions == {"split-complete"}:
        wholes = [SupervoxelParts(int(sv), two["Split"], two["Remain"]) for sv, two in entry["SVSplits"].items()]
        undo_split(change, mutation_id, mutation.version, entry["Target"], entry["NewLabel"], wholes)
    else:
        raise Conflict(f"mutation {mutation_id} is of a kind that can't be undone: {', '.join(sorted(actions))}")

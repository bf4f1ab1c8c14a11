"""Merges of bodies: one unit over indices, mappings and log."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from dvid_labels.types import Buffer, Labels

from dvid_framework.api import BadRequest, Txn, VersionRecord, View
from dvid_labelmap.keys import chunk_bounds, chunk_of_key
from dvid_labelmap.ops.index_changes import Stamp, change_rows, put_summary, read_summaries
from dvid_labelmap.ops.index_rows import Rows, blocks_of_places, joined_chunks

if TYPE_CHECKING:
    from dvid_labelmap.instance import LabelMapInstance

__all__ = ["merge_bodies", "parse_merge"]


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


def merge_bodies(
    instance: LabelMapInstance, version: VersionRecord, txn: Txn, target: int, merged: Sequence[int], stamp: Stamp
) -> None:
    """Merge bodies into a target, and commit.

    Args:
        instance: the instance.
        version: the version.
        txn: a transaction of both.
        target: the body that stays.
        merged: the bodies that become part of it, each once.
        stamp: what the mutation leaves in the target; its id is taken from the transaction.

    Raises:
        BadRequest: one of them is no body.
        Unavailable: the bodies of the instance are still being indexed.
    """
    instance.check_indexed()
    with instance.turn(instance.number_of(version)), instance.mappings.lock, instance.view(version) as view:
        for body, summary in zip((*merged, target), read_summaries(view, [*merged, target]), strict=True):
            if summary is None:
                raise BadRequest(f"there is no body {body} at this version: nothing was merged")
        stamp = stamp._replace(mutation_id=txn.mutation_id)
        rows = _taken(view, txn, target, merged)
        change_rows(view, txn, rows, adding=True, stamp=stamp)
        supervoxels = np.unique(rows.supervoxels)
        instance.mappings.add(view, txn, supervoxels, np.full(len(supervoxels), target, np.uint64))
        txn.emit("merge-complete", Target=target, Labels=list(merged))
        txn.commit()


def _taken(view: View, txn: Txn, target: int, merged: Sequence[int]) -> Rows:
    """Take the rows of bodies, which end with it, and return them as the target's."""
    chunks: list[Buffer] = []
    coordinates: list[tuple[int, int, int]] = []
    for body in merged:
        for key, value in view.scan(*chunk_bounds(body)):
            chunks.append(value)
            coordinates.append(chunk_of_key(key)[1])
            txn.delete(key)
        put_summary(txn, body, None)
    rows = joined_chunks(chunks)
    blocks = blocks_of_places(np.array(coordinates)[rows.groups], rows.places)
    return Rows(np.full(len(blocks), target, np.uint64), blocks, rows.supervoxels, rows.voxels)

"""Renumbering: a body gets another label."""

from __future__ import annotations

import numpy as np
from dvid_labels.types import Labels

from dvid_framework.api import BadRequest, View
from dvid_labelmap.index_codec import Summary
from dvid_labelmap.keys import summary_key
from dvid_labelmap.ops.body_commits import BodyChange, commit_bodies, joined_entries
from dvid_labelmap.ops.body_records import delete_body, put_body, read_summaries, stored_parts
from dvid_labelmap.ops.index_rows import joined_chunks

__all__ = ["move_body", "parse_renumber", "renumber_body"]


def parse_renumber(labels: Labels) -> list[tuple[int, int]]:
    """Return the pairs of new and old label.

    Raises:
        BadRequest: their number is odd, or one is 0.
    """
    if len(labels) % 2:
        raise BadRequest("a renumbering takes pairs of labels: [new, old, new, old, ...]")
    if (labels == 0).any():
        raise BadRequest("label 0 is no body, and can't become one")
    numbers = labels.tolist()
    return list(zip(numbers[::2], numbers[1::2], strict=True))


def renumber_body(change: BodyChange, new: int, old: int, *, given: bool = False) -> None:
    """Give a body another label, and commit.

    Args:
        change: the change.
        new: the label.
        old: the body.
        given: whether the counters gave the label, and not the client.

    Raises:
        BadRequest: there is no such body, or one with the new label.
        Unavailable: the bodies of the instance are still being indexed.
    """
    instance, version, txn, _ = change
    instance.check_indexed()
    with instance.turns.with_few_bodies(change.number, (new, old)):
        with instance.view(version) as view:
            taken, summary = read_summaries(view, [new, old])
            if taken is not None:
                raise BadRequest(f"there is a body {new} at this version already")
            if summary is None:
                raise BadRequest(f"there is no body {old} at this version")
            change = change.numbered()
            supervoxels = move_body(change, view, new, old, summary)
            fresh = not instance.mappings.chain(view).find(np.array([new], np.uint64))[0].any()
        txn.emit("renumber-complete", NewLabel=new, OrigLabel=old)
        only_body = np.array([new] if fresh else [], np.uint64)
        entries = joined_entries((only_body, 0), (supervoxels, new))
        commit_bodies(change, entries, taken=new if given else 0, named=0 if given else new)


def move_body(change: BodyChange, view: View, new: int, old: int, summary: Summary) -> Labels:
    """Move the whole index of a body to another label; returns its supervoxels."""
    txn, value = change.txn, view.get(summary_key(old))
    corners, chunks = ([], []) if value is None else stored_parts(view, old, value)
    txn.after_commit(lambda _: change.places.forget([new, old]))
    rows = joined_chunks(chunks)
    own = int(rows.voxels[rows.supervoxels == np.uint64(new)].sum())
    if value is not None:
        delete_body(txn, old, value, corners)
    put_body(txn, new, summary._replace(own_voxels=own, **change.stamp._asdict()), corners, chunks)
    return np.unique(rows.supervoxels)

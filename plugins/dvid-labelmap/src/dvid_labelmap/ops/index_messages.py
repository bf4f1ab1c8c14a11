"""Indices as messages of the API: many of them read from the store at once, and stored as they are posted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from dvid_labels import kernels
from dvid_labels.label_indices import LabelIndices
from dvid_labels.types import Labels

from dvid_framework.api import BadRequest, Txn, VersionRecord, View
from dvid_labelmap.index_codec import Summary, is_whole, stored_bodies
from dvid_labelmap.keys import chunk_bounds, summary_key, summary_keys
from dvid_labelmap.ops.body_records import put_body, whole_record
from dvid_labelmap.ops.index_changes import bounds_of_blocks, sort_rows
from dvid_labelmap.ops.index_rows import Rows, joined_chunks

if TYPE_CHECKING:
    from dvid_labelmap.instance import LabelMapInstance

__all__ = ["BATCH_LABELS", "index_piece", "index_pieces", "store_indices"]

BATCH_LABELS = 1024
"""Bodies whose indices are read at a time."""


def index_pieces(view: View, bodies: Labels, *, compressed: bool) -> Iterator[bytes]:
    """Yield the indices of bodies as `index_piece`, some at a time."""
    for first in range(0, len(bodies), BATCH_LABELS):
        yield index_piece(view, bodies[first : first + BATCH_LABELS], compressed=compressed)


def index_piece(view: View, bodies: Labels, *, compressed: bool) -> bytes:
    """Return the indices of bodies, in their order: a LabelIndices message, or the stream of indices-compressed.

    Raises:
        CorruptValue: stored bytes are damaged.
        Conflict: merged branches disagree about one of them.
    """
    order = np.argsort(bodies)  # as the keys stand in the store
    stored = view.multi_get(summary_keys(bodies[order]))
    values = [stored[at] for at in np.argsort(order).tolist()]
    with stored_bodies():
        found = kernels.record_messages(bodies, values, compressed=compressed)
        if found is not None:
            return found
        pairs = zip(bodies.tolist(), values, strict=True)
        records = [None if value is None else whole_record(view, body, value) for body, value in pairs]
        return kernels.record_messages(bodies, records, compressed=compressed) or b""


def store_indices(instance: LabelMapInstance, version: VersionRecord, txn: Txn, indices: LabelIndices) -> None:
    """Store indices as they are, and commit: each takes the place of what there was; one without voxels is deleted.

    Args:
        instance: the instance.
        version: the version.
        txn: a transaction of both.
        indices: the indices; of several of one label the last counts.

    Raises:
        BadRequest: one is of label 0.
        Unavailable: the bodies of the instance are still being indexed.
    """
    if (indices.labels == 0).any():
        raise BadRequest("label 0 has no index")
    instance.check_indexed()
    number = instance.number_of(version)
    with instance.turn(number), instance.view(version) as view:
        stored = _put_indices(view, txn, indices)
        txn.mark_internal()
        txn.emit("indices", Labels=np.unique(indices.labels).astype("<u8").tobytes())
        txn.after_commit(lambda _: instance.places.forget(indices.labels.tolist()))
        with instance.counters.lock:
            if stored:
                instance.counters.raise_to(txn, number, stored, instance.members(version))
            txn.commit()


def _put_indices(view: View, txn: Txn, indices: LabelIndices) -> int:
    """Put indices and delete what they take the place of; returns the largest label stored, 0 if none is."""
    owners = np.repeat(np.arange(len(indices)), np.diff(indices.firsts))
    last = {label: place for place, label in enumerate(indices.labels.tolist())}
    kept = np.isin(owners, list(last.values())) & (indices.counts > 0)
    rows = Rows(
        indices.labels[owners[kept]],
        indices.coordinates[kept].astype(np.int64),
        indices.supervoxels[kept],
        indices.counts[kept].astype(np.int64),
    )
    touched = sort_rows(rows, indices.surface_mutids[kept])
    after = joined_chunks([]).replaced(touched.rows)
    _delete_former(view, txn, list(last), touched.bodies)
    chunks, corners = after.encoded(len(touched.bodies)), [(x, y, z) for x, y, z in touched.chunks.tolist()]
    bodies, firsts, owner_of_chunk = np.unique(touched.bodies, return_index=True, return_inverse=True)
    count = len(bodies)
    owner = owner_of_chunk[after.groups]
    voxels = np.bincount(owner, after.voxels, count).astype(np.int64).tolist()
    own = np.bincount(owner, after.voxels * (after.supervoxels == bodies[owner]), count).astype(np.int64).tolist()
    numbers = after.block_numbers()
    blocks = np.bincount(owner_of_chunk[numbers >> 9], minlength=count).tolist()
    bounds = bounds_of_blocks(touched, owner_of_chunk, numbers, count)
    cuts = pairwise([*firsts.tolist(), len(chunks)])
    for place, (body, cut) in enumerate(zip(bodies.tolist(), cuts, strict=True)):
        at = last[body]
        texts = indices.last_mod_times[at], indices.last_mod_users[at], indices.last_mod_apps[at]
        summary = Summary(
            voxels[place], own[place], blocks[place], *bounds[place], int(indices.last_mutids[at]), *texts
        )
        put_body(txn, body, summary, corners[slice(*cut)], chunks[slice(*cut)])
    return int(bodies[-1]) if count else 0


def _delete_former(view: View, txn: Txn, bodies: Sequence[int], written: Labels) -> None:
    """Delete what there was of bodies, but for records in whose places others are written."""
    again = set(written.tolist())
    for body, value in zip(bodies, view.multi_get(map(summary_key, bodies)), strict=True):
        if value is not None and not is_whole(value):
            for key in view.keys(*chunk_bounds(body)):
                txn.delete(key)
        if value is not None and body not in again:
            txn.delete(summary_key(body))

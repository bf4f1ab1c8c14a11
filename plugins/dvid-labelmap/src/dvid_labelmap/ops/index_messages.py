"""Indices as messages of the API: many of them read from the store at once, and stored as they are posted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
from dvid_labels import kernels
from dvid_labels.indices import compressed_index, join_indices
from dvid_labels.label_indices import LabelIndices
from dvid_labels.types import Buffer
from dvid_voxels.geometry import Triple

from dvid_framework.api import BadRequest, Txn, VersionRecord, View
from dvid_labelmap.index_codec import CHUNK_SIDE, Summary, encode_summary
from dvid_labelmap.keys import chunk_bounds, chunk_key, chunk_of_key, summary_key
from dvid_labelmap.ops.index_changes import bounds_of_blocks, put_summary, read_summaries, sort_rows
from dvid_labelmap.ops.index_rows import (
    Rows,
    blocks_of_places,
    chunk_keys,
    joined_chunks,
    write_chunks,
)

if TYPE_CHECKING:
    from dvid_labelmap.instance import LabelMapInstance

__all__ = ["compressed_pieces", "index_messages", "index_pieces", "read_indices", "store_indices"]

_BATCH_LABELS = 1024


def _chunks_of(
    view: View, bodies: Sequence[int], summaries: Sequence[Summary | None]
) -> tuple[list[Triple], list[Buffer], list[int]]:
    """Return coordinates and stored bytes of all chunks of bodies, and how many each has.

    Those of bodies in a single chunk are read at once, not searched for.
    """
    single: dict[int, bytes] = {}
    for body, summary in zip(bodies, summaries, strict=True):
        if summary is not None:
            low = _chunk(summary.low)
            if low == _chunk(summary.high):
                single[body] = chunk_key(body, low)
    values = dict(zip(single, view.get_each(single.values()), strict=True))
    coordinates: list[Triple] = []
    chunks: list[Buffer] = []
    counts: list[int] = []
    for body, summary in zip(bodies, summaries, strict=True):
        before = len(chunks)
        if body in single:
            value = values[body]
            if value is not None and summary is not None:
                coordinates.append(_chunk(summary.low))
                chunks.append(value)
        elif summary is not None:
            for key, value in view.scan(*chunk_bounds(body)):
                coordinates.append(chunk_of_key(key)[1])
                chunks.append(value)
        counts.append(len(chunks) - before)
    return coordinates, chunks, counts


def _chunk(block: Triple) -> Triple:
    x, y, z = block
    return x // CHUNK_SIDE, y // CHUNK_SIDE, z // CHUNK_SIDE


def read_indices(view: View, bodies: Sequence[int], summaries: Sequence[Summary | None]) -> LabelIndices:
    """Return the indices of bodies, in their order; of what is no body only the label.

    Raises:
        CorruptValue: stored bytes are damaged.
        Conflict: merged branches disagree about one of them.
    """
    coordinates, chunks, counts = _chunks_of(view, bodies, summaries)
    rows_of = joined_chunks(chunks)
    firsts = np.searchsorted(rows_of.groups, np.append(0, np.cumsum(counts)))
    numbers = rows_of.groups << 9 | rows_of.places
    surfaces = np.zeros(len(numbers), np.uint64)
    if len(rows_of.surface_ids):
        marked = rows_of.surface_groups << 9 | rows_of.surface_places
        places = np.minimum(np.searchsorted(marked, numbers), len(marked) - 1)
        surfaces = np.where(marked[places] == numbers, rows_of.surface_ids[places], np.uint64(0))
    blocks = blocks_of_places(np.array(coordinates, np.int64).reshape(-1, 3)[rows_of.groups], rows_of.places)
    return LabelIndices(
        np.array(bodies, np.uint64),
        firsts,
        blocks.astype(np.int32),
        rows_of.supervoxels,
        rows_of.voxels.astype(np.uint32),
        surfaces,
        np.array([summary.mutation_id if summary else 0 for summary in summaries], np.uint64),
        [summary.time if summary else "" for summary in summaries],
        [summary.user if summary else "" for summary in summaries],
        [summary.app if summary else "" for summary in summaries],
    )


def index_messages(view: View, bodies: Sequence[int]) -> list[bytes | None]:
    """Return the LabelIndex of each body; None for what is none."""
    summaries = read_summaries(view, bodies)
    messages = kernels.index_messages(read_indices(view, bodies, summaries))
    return [message if summary else None for message, summary in zip(messages, summaries, strict=True)]


def index_pieces(view: View, bodies: Sequence[int]) -> Iterator[bytes]:
    """Yield a LabelIndices message of bodies, in their order; unknown ones have only their label."""
    for first in range(0, len(bodies), _BATCH_LABELS):
        batch = bodies[first : first + _BATCH_LABELS]
        yield join_indices(kernels.index_messages(read_indices(view, batch, read_summaries(view, batch))))


def compressed_pieces(view: View, bodies: Sequence[int]) -> Iterator[bytes]:
    """Yield the stream of indices-compressed, in the order of the bodies."""
    for first in range(0, len(bodies), _BATCH_LABELS):
        batch = bodies[first : first + _BATCH_LABELS]
        yield b"".join(map(compressed_index, batch, index_messages(view, batch)))


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
    touched, nothing = sort_rows(rows, indices.surface_mutids[kept]), joined_chunks([])
    after = nothing.replaced(touched.rows)
    keys = chunk_keys(touched.bodies, touched.chunks)
    _delete_others(view, txn, list(last), set(keys))
    write_chunks(txn, keys, nothing, after)
    bodies, owner_of_chunk = np.unique(touched.bodies, return_inverse=True)
    count = len(bodies)
    owner = owner_of_chunk[after.groups]
    voxels = np.bincount(owner, after.voxels, count).astype(np.int64).tolist()
    own = np.bincount(owner, after.voxels * (after.supervoxels == bodies[owner]), count).astype(np.int64).tolist()
    numbers = after.block_numbers()
    blocks = np.bincount(owner_of_chunk[numbers >> 9], minlength=count).tolist()
    bounds = bounds_of_blocks(touched, owner_of_chunk, numbers, count)
    for place, body in enumerate(bodies.tolist()):
        at = last.pop(body)
        texts = indices.last_mod_times[at], indices.last_mod_users[at], indices.last_mod_apps[at]
        summary = Summary(
            voxels[place], own[place], blocks[place], *bounds[place], int(indices.last_mutids[at]), *texts
        )
        txn.put(summary_key(body), encode_summary(summary))
    for body in last:
        put_summary(txn, body, None)
    return int(bodies[-1]) if count else 0


def _delete_others(view: View, txn: Txn, bodies: Sequence[int], kept: set[bytes]) -> None:
    """Delete the chunks of bodies that are not written again."""
    for body, summary in zip(bodies, read_summaries(view, bodies), strict=True):
        if summary is not None:
            for key in view.keys(*chunk_bounds(body)):
                if key not in kept:
                    txn.delete(key)

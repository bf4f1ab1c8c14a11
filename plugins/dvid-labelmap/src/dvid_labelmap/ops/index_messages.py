"""Indices as messages of the API: many of them read from the store at once, and stored as they are posted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, cast

import numpy as np
from dvid_labels import kernels
from dvid_labels.label_indices import LabelIndices
from dvid_labels.types import Buffer, Labels
from dvid_voxels.geometry import Triple
from numpy.typing import NDArray

from dvid_framework.api import BadRequest, Txn, VersionRecord, View
from dvid_labelmap.index_codec import (
    CHUNK_SIDE,
    PLAIN_SUMMARY,
    Summary,
    decode_summary,
    encode_summary,
    stored_chunks,
    summary_columns,
)
from dvid_labelmap.keys import chunk_bounds, chunk_of_key, summary_key
from dvid_labelmap.ops.index_changes import bounds_of_blocks, put_summary, read_summaries, sort_rows
from dvid_labelmap.ops.index_rows import (
    Integers,
    Rows,
    chunk_keys,
    joined_chunks,
    write_chunks,
)

if TYPE_CHECKING:
    from dvid_labelmap.instance import LabelMapInstance

__all__ = ["index_pieces", "store_indices"]

_BATCH_LABELS = 1024


def index_pieces(view: View, bodies: Labels, *, compressed: bool) -> Iterator[bytes]:
    """Yield the indices of bodies, in their order: a LabelIndices message, or the stream of indices-compressed.

    Raises:
        CorruptValue: stored bytes are damaged.
        Conflict: merged branches disagree about one of them.
    """
    for first in range(0, len(bodies), _BATCH_LABELS):
        yield _index_piece(view, bodies[first : first + _BATCH_LABELS], compressed=compressed)


def _index_piece(view: View, bodies: Labels, *, compressed: bool) -> bytes:
    names = bodies.tolist()
    summaries = view.multi_get(map(summary_key, names))
    known = np.array([place for place, value in enumerate(summaries) if value is not None], np.int64)
    mutations = np.zeros(len(names), np.uint64)
    texts: list[tuple[int, tuple[str, str, str]]] = []
    for place, value in enumerate(summaries):
        if value is not None and len(value) != PLAIN_SUMMARY:
            found = decode_summary(value)
            texts.append((place, (found.time, found.user, found.app)))
    heads = b"".join([value[:PLAIN_SUMMARY] for value in summaries if value is not None])
    low, high, mutations[known] = summary_columns(heads)
    low, high = low // CHUNK_SIDE, high // CHUNK_SIDE
    single = (low == high).all(axis=1)
    corners, counts, chunks = _parts(view, bodies[known], low, single)
    numbers = np.zeros(len(names), np.int64)
    numbers[known] = counts
    with stored_chunks():
        return kernels.chunk_messages(bodies, mutations, texts, numbers, corners, chunks, compressed=compressed)


def _parts(
    view: View, bodies: Labels, chunks: Integers, single: NDArray[np.bool_]
) -> tuple[Integers, Integers, list[Buffer]]:
    """Return coordinates and stored bytes of all chunks of bodies, and how many each has.

    Args:
        view: the version.
        bodies: uint64 (k,).
        chunks: the chunk of those that are in a single one, int64 (k, 3) as x, y, z.
        single: whether they are; such chunks are read, not searched for.
    """
    values = view.multi_get(chunk_keys(bodies[single], chunks[single]))
    if single.all() and None not in values:
        return chunks, np.ones(len(bodies), np.int64), cast(list[Buffer], values)
    found = iter(values)
    corners: list[Triple] = []
    parts: list[Buffer] = []
    counts = []
    for body, (x, y, z), alone in zip(bodies.tolist(), chunks.tolist(), single.tolist(), strict=True):
        before = len(parts)
        value = next(found) if alone else None
        if value is not None:
            corners.append((x, y, z))
            parts.append(value)
        elif not alone:
            for key, part in view.scan(*chunk_bounds(body)):
                corners.append(chunk_of_key(key)[1])
                parts.append(part)
        counts.append(len(parts) - before)
    return np.array(corners, np.int64).reshape(-1, 3), np.array(counts, np.int64), parts


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

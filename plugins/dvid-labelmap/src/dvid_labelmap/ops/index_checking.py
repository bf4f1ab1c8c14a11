"""A check of bodies at a version, for `dvid fsck`: indices by stored blocks, summaries by indices."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np
from dvid_labels.types import Buffer
from dvid_voxels.geometry import Triple

from dvid_framework.api import DvidError, View
from dvid_labelmap.index_codec import CHUNK_SIDE, decode_record, decode_summary, is_whole
from dvid_labelmap.keys import (
    block_coordinate,
    block_key,
    body_of_summary,
    chunk_bounds,
    chunk_key,
    chunk_of_key,
    summary_bounds,
    summary_key,
)
from dvid_labelmap.ops.body_index import measure
from dvid_labelmap.ops.index_changes import Touched, sort_rows
from dvid_labelmap.ops.index_rows import EMPTY, Integers, Rows, joined_chunks, places_of_blocks
from dvid_labelmap.ops.indexing import count_rows, stored_payloads
from dvid_labelmap.ops.mapping import bodies_of

if TYPE_CHECKING:
    from dvid_labelmap.instance import LabelMapInstance

__all__ = ["wrong_bodies"]

_LOWEST, _HIGHEST = -(1 << 31), (1 << 31) - 1
_LARGEST = (1 << 64) - 1
_MEASURED = 5  # fields of a summary that follow from the index


def _layers(view: View) -> Iterator[Integers]:
    """Yield the coordinates of the stored blocks of scale 0, int64 (n, 3) as x, y, z, a layer of chunks at a time."""
    keys = view.keys(block_key(0, (_LOWEST,) * 3), block_key(0, (_HIGHEST,) * 3) + b"\x00")
    coordinates = (block_coordinate(key)[1] for key in keys)
    for _, layer in groupby(coordinates, lambda block: block[2] // CHUNK_SIDE):
        yield np.array(list(layer), np.int64)


def _regions(view: View) -> Iterator[Integers]:
    """Yield the coordinates of the blocks of one chunk after the other."""
    for layer in _layers(view):
        _, owners = np.unique(places_of_blocks(layer)[0], axis=0, return_inverse=True)
        owners = owners.ravel()
        order = np.argsort(owners, kind="stable")
        yield from np.split(layer[order], np.flatnonzero(np.diff(owners[order])) + 1)


def _stored(view: View, touched: Touched) -> list[Buffer]:
    """Return what is stored of chunks of bodies; of one that is not there, one without rows."""
    names, owners = np.unique(touched.bodies, return_inverse=True)
    records = [
        decode_record(value) if value is not None and is_whole(value) else None
        for value in view.multi_get(map(summary_key, names.tolist()))
    ]
    whole = [{} if record is None else dict(zip(*record[1:], strict=True)) for record in records]
    places = [(x, y, z) for x, y, z in touched.chunks.tolist()]
    pairs = list(zip(owners.ravel().tolist(), touched.bodies.tolist(), places, strict=True))
    apart = iter(view.multi_get([chunk_key(body, place) for owner, body, place in pairs if records[owner] is None]))
    found = [next(apart) if records[owner] is None else whole[owner].get(place) for owner, _, place in pairs]
    return [EMPTY if value is None else value for value in found]


def _wrong_region(instance: LabelMapInstance, view: View, coordinates: Integers) -> tuple[list[int], int]:
    """Return the bodies whose index differs from the blocks of one chunk, and the voxels that these have in all."""
    blocks, labels, voxels = count_rows(stored_payloads(view, coordinates), coordinates, instance.settings.block_size)
    names, owners = np.unique(labels, return_inverse=True)
    rows = Rows(bodies_of(instance, view, names)[owners.ravel()], coordinates[blocks], labels, voxels)
    rows = rows.chosen(rows.bodies != 0)
    touched = sort_rows(rows)
    expected, total = touched.rows, int(rows.voxels.sum())
    found = joined_chunks(_stored(view, touched)) if len(touched.bodies) else expected
    columns = ("groups", "places", "supervoxels", "voxels")
    if all(np.array_equal(getattr(expected, name), getattr(found, name)) for name in columns):
        return [], total
    wrong = []
    for group, body in enumerate(touched.bodies.tolist()):
        mine, theirs = expected.groups == group, found.groups == group
        if not all(np.array_equal(getattr(expected, n)[mine], getattr(found, n)[theirs]) for n in columns):
            wrong.append(body)
    return wrong, total


def _apart(view: View) -> Iterator[tuple[int, list[Triple], list[Buffer]]]:
    """Yield the bodies whose indices are stored apart, ascending, with their chunks and these chunks' bytes."""
    first, last = chunk_bounds(0)[0], chunk_bounds(_LARGEST)[1]
    for body, group in groupby(view.scan(first, last), lambda item: chunk_of_key(item[0])[0]):
        found = list(group)
        yield body, [chunk_of_key(key)[1] for key, _ in found], [value for _, value in found]


def _wrong_summaries(view: View, total: int) -> Iterator[str]:
    """Yield a sentence for each body of which more or less is known than its index says, and if voxels are missing."""
    indexed, wrong = 0, "what is known of body {} as a whole is not what its index says"
    apart = _apart(view)
    waiting = next(apart, None)
    for key, value in view.scan(*summary_bounds()):
        body = body_of_summary(key)
        while waiting is not None and waiting[0] < body:
            yield wrong.format(waiting[0])
            waiting = next(apart, None)
        corners: Sequence[Triple] = ()
        chunks: Sequence[Buffer] = ()
        if waiting is not None and waiting[0] == body:
            _, corners, chunks = waiting
            waiting = next(apart, None)
        if is_whole(value):
            if chunks:
                yield f"the index of body {body} is stored twice"
            _, corners, chunks = decode_record(value)
        if not chunks:
            yield f"body {body} is known but has no index"
            continue
        measured = measure(corners, chunks, body)
        indexed += measured.voxels
        if decode_summary(value)[:_MEASURED] != measured[:_MEASURED]:
            yield wrong.format(body)
    while waiting is not None:
        yield wrong.format(waiting[0])
        waiting = next(apart, None)
    if indexed != total:
        yield f"the indices of all bodies have {indexed} voxels, but the stored blocks {total}"


def wrong_bodies(instance: LabelMapInstance, view: View) -> Iterator[str]:
    """Yield a sentence for each body whose index is not what the stored blocks say, or its summary not what the index.

    Where loaders wrote blocks or mappings and not the indices that belong to them, that is found as well.
    """
    total = 0
    try:
        for coordinates in _regions(view):
            wrong, voxels = _wrong_region(instance, view, coordinates)
            total += voxels
            chunk = tuple(places_of_blocks(coordinates[:1])[0][0].tolist())
            for body in wrong:
                yield f"the index of body {body} is not what the blocks say, in the {CHUNK_SIDE}^3 blocks at {chunk}"
        yield from _wrong_summaries(view, total)
    except DvidError as error:
        yield f"the indices of bodies can't be checked: {error}"

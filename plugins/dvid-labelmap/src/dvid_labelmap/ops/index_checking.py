"""A check of bodies at a version, for `dvid fsck`: indices by stored blocks, summaries by indices, mappings."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np

from dvid_framework.api import DvidError, VersionRecord, View
from dvid_labelmap.index_codec import CHUNK_SIDE, decode_summary
from dvid_labelmap.keys import (
    block_coordinate,
    block_key,
    body_of_summary,
    chunk_bounds,
    chunk_of_key,
    summary_bounds,
)
from dvid_labelmap.ops.body_index import measure
from dvid_labelmap.ops.index_changes import sort_rows
from dvid_labelmap.ops.index_rows import (
    Integers,
    Rows,
    chunk_keys,
    places_of_blocks,
    read_chunks,
)
from dvid_labelmap.ops.indexing import count_rows, stored_payloads
from dvid_labelmap.ops.mapping import bodies_of
from dvid_labelmap.ops.mapping_store import own_runs

if TYPE_CHECKING:
    from dvid_labelmap.instance import LabelMapInstance

__all__ = ["wrong_bodies", "wrong_mappings"]

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


def _wrong_region(instance: LabelMapInstance, view: View, coordinates: Integers) -> tuple[list[int], int]:
    """Return the bodies whose index differs from the blocks of one chunk, and the voxels that these have in all."""
    blocks, labels, voxels = count_rows(stored_payloads(view, coordinates), coordinates, instance.settings.block_size)
    names, owners = np.unique(labels, return_inverse=True)
    rows = Rows(bodies_of(instance, view, names)[owners.ravel()], coordinates[blocks], labels, voxels)
    rows = rows.chosen(rows.bodies != 0)
    touched = sort_rows(rows)
    expected, total = touched.rows, int(rows.voxels.sum())
    found = read_chunks(view, chunk_keys(touched.bodies, touched.chunks)) if len(touched.bodies) else expected
    columns = ("groups", "places", "supervoxels", "voxels")
    if all(np.array_equal(getattr(expected, name), getattr(found, name)) for name in columns):
        return [], total
    wrong = []
    for group, body in enumerate(touched.bodies.tolist()):
        mine, theirs = expected.groups == group, found.groups == group
        if not all(np.array_equal(getattr(expected, n)[mine], getattr(found, n)[theirs]) for n in columns):
            wrong.append(body)
    return wrong, total


def _wrong_summaries(view: View, total: int) -> Iterator[str]:
    """Yield a sentence for each summary that is not what the index says, and if indices and blocks differ in voxels."""
    summaries = ((body_of_summary(key), decode_summary(value)) for key, value in view.scan(*summary_bounds()))
    waiting = next(summaries, None)
    indexed = 0
    first, last = chunk_bounds(0)[0], chunk_bounds(_LARGEST)[1]
    for body, values in groupby(view.scan(first, last), lambda item: chunk_of_key(item[0])[0]):
        measured = measure(list(values), body)
        indexed += measured.voxels
        while waiting is not None and waiting[0] < body:
            yield f"body {waiting[0]} is known but has no index"
            waiting = next(summaries, None)
        if waiting is None or waiting[0] != body or waiting[1][:_MEASURED] != measured[:_MEASURED]:
            yield f"what is known of body {body} as a whole is not what its index says"
        if waiting is not None and waiting[0] == body:
            waiting = next(summaries, None)
    if waiting is not None:
        yield f"body {waiting[0]} is known but has no index"
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


def wrong_mappings(instance: LabelMapInstance, view: View, version: VersionRecord) -> Iterator[str]:
    """Yield a sentence if the mappings that a version has of its own are damaged or not sorted."""
    try:
        for number, (source, _) in enumerate(own_runs(view, instance.number_of(version))):
            if (source[1:] <= source[:-1]).any():
                yield f"run {number} of the mappings is not sorted"
    except DvidError as error:
        yield f"the mappings can't be read: {error}"

"""Rows of bodies' indices that change hands: of some supervoxels of a body, or of whole bodies."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from dvid_labels.types import Buffer, Labels
from dvid_voxels.geometry import Triple

from dvid_framework.api import Txn, View
from dvid_labelmap.keys import chunk_bounds, chunk_key, chunk_of_key
from dvid_labelmap.ops.index_changes import put_summary
from dvid_labelmap.ops.index_rows import ChunkRows, Rows, blocks_of_places, joined_chunks
from dvid_labelmap.ops.supervoxel_places import SupervoxelPlaces

__all__ = ["joined_rows", "rows_of_supervoxels", "take_bodies"]


def _rows(body: int, coordinates: Sequence[Triple], rows: ChunkRows) -> Rows:
    chunks = np.array(coordinates, np.int64).reshape(-1, 3)
    blocks = blocks_of_places(chunks[rows.groups], rows.places)
    return Rows(np.full(len(blocks), body, np.uint64), blocks, rows.supervoxels, rows.voxels)


def joined_rows(parts: Sequence[Rows]) -> Rows:
    """Return the rows of several lists one behind the other."""
    return Rows(
        np.concatenate([part.bodies for part in parts]),
        np.concatenate([part.blocks for part in parts]),
        np.concatenate([part.supervoxels for part in parts]),
        np.concatenate([part.voxels for part in parts]),
    )


def rows_of_supervoxels(view: View, places: SupervoxelPlaces, body: int, supervoxels: Labels) -> Rows:
    """Return the rows of some supervoxels of a body, whose turn must have come before the view was opened.

    Args:
        view: the version.
        places: what is known of the places of supervoxels; of a large body it is kept there.
        body: the body.
        supervoxels: uint64 (n,), sorted; those that the body does not have are passed over.
    """
    found = places.find(view.version, body, supervoxels)
    if found is None:
        chunks, values = _chunks_of(view, body)
        rows = joined_chunks(values)
        places.keep(view.version, body, chunks, rows)
    else:
        asked = sorted(found)
        stored = zip(asked, view.get_each(chunk_key(body, chunk) for chunk in asked), strict=True)
        there = [(chunk, value) for chunk, value in stored if value is not None]
        chunks, rows = [chunk for chunk, _ in there], joined_chunks([value for _, value in there])
    mine = _rows(body, chunks, rows)
    return mine.chosen(np.isin(mine.supervoxels, supervoxels))


def _chunks_of(view: View, body: int) -> tuple[list[Triple], list[Buffer]]:
    """Return the chunks of a body, and their stored bytes."""
    values: list[Buffer] = []
    chunks: list[Triple] = []
    for key, value in view.scan(*chunk_bounds(body)):
        values.append(value)
        chunks.append(chunk_of_key(key)[1])
    return chunks, values


def take_bodies(view: View, txn: Txn, bodies: Sequence[int]) -> Rows:
    """Take all rows of bodies, which end with it.

    Args:
        view: the version before the change.
        txn: a transaction of it.
        bodies: at least one body, each once.
    """
    parts = []
    for body in bodies:
        chunks, values = _chunks_of(view, body)
        for chunk in chunks:
            txn.delete(chunk_key(body, chunk))
        put_summary(txn, body, None)
        parts.append(_rows(body, chunks, joined_chunks(values)))
    return joined_rows(parts)

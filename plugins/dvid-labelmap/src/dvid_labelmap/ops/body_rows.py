"""Rows of bodies' indices that change hands: of some supervoxels of a body, or of whole bodies."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from dvid_labels.types import Buffer, Labels
from dvid_voxels.geometry import Triple

from dvid_framework.api import Txn, View
from dvid_labelmap.index_codec import is_whole
from dvid_labelmap.keys import chunk_key, summary_key
from dvid_labelmap.ops.body_records import delete_body, stored_parts
from dvid_labelmap.ops.index_rows import ChunkRows, Rows, are_among, blocks_of_places, joined_chunks
from dvid_labelmap.ops.supervoxel_places import SupervoxelPlaces

__all__ = ["joined_rows", "named_blocks", "rows_of_supervoxels", "take_bodies"]

_MOST_NAMED = 1 << 18


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


def named_blocks(rows: Rows) -> dict[str, bytes]:
    """Return the field of a log entry that tells followers in which blocks rows are; none for very many rows.

    `_Blocks`: int32 x, y, z of each block, each once.
    """
    if len(rows.blocks) > _MOST_NAMED:
        return {}
    return {"_Blocks": np.unique(rows.blocks, axis=0).astype("<i4").tobytes()}


def rows_of_supervoxels(view: View, places: SupervoxelPlaces, body: int, supervoxels: Labels) -> Rows:
    """Return the rows of some supervoxels of a body, whose turn must have come before the view was opened.

    Args:
        view: the version.
        places: what is known of the places of supervoxels; of a large body it is kept there.
        body: the body.
        supervoxels: uint64 (n,), sorted; those that the body does not have are passed over.
    """
    value = view.get(summary_key(body))
    found = None if value is None or is_whole(value) else places.find(view.version, body, supervoxels)
    if found is None:
        chunks, values = ([], []) if value is None else stored_parts(view, body, value)
        rows = joined_chunks(values)
        places.keep(view.version, body, chunks, rows)
    else:
        asked = sorted(found)
        stored = zip(asked, view.get_each(chunk_key(body, chunk) for chunk in asked), strict=True)
        there = [(chunk, part) for chunk, part in stored if part is not None]
        chunks, rows = [chunk for chunk, _ in there], joined_chunks([part for _, part in there])
    mine = _rows(body, chunks, rows)
    return mine.chosen(are_among(mine.supervoxels, supervoxels))


def take_bodies(view: View, txn: Txn, bodies: Sequence[int]) -> Rows:
    """Take all rows of bodies, which end with it.

    Args:
        view: the version before the change.
        txn: a transaction of it.
        bodies: at least one body, each once.
    """
    owners: list[int] = []
    corners: list[Triple] = []
    values: list[Buffer] = []
    for body, value in zip(bodies, view.multi_get(map(summary_key, bodies)), strict=True):
        if value is not None:
            chunks, parts = stored_parts(view, body, value)
            delete_body(txn, body, value, chunks)
            owners += [body] * len(chunks)
            corners += chunks
            values += parts
    rows = joined_chunks(values)
    blocks = blocks_of_places(np.array(corners, np.int64).reshape(-1, 3)[rows.groups], rows.places)
    return Rows(np.array(owners, np.uint64)[rows.groups], blocks, rows.supervoxels, rows.voxels)

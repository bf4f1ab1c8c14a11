"""Rows of bodies' indices that change hands: of some supervoxels of a body, or of whole bodies."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from dvid_labels.types import Buffer, Labels

from dvid_framework.api import Txn, View
from dvid_labelmap.keys import chunk_bounds, chunk_of_key
from dvid_labelmap.ops.index_changes import put_summary
from dvid_labelmap.ops.index_rows import ChunkRows, Rows, blocks_of_places, joined_chunks

__all__ = ["joined_rows", "rows_of_supervoxels", "take_bodies"]


def _rows(body: int, coordinates: Sequence[tuple[int, int, int]], rows: ChunkRows) -> Rows:
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


def rows_of_supervoxels(view: View, body: int, supervoxels: Labels) -> Rows:
    """Return the rows of some supervoxels of a body.

    Args:
        view: the version.
        body: the body.
        supervoxels: uint64 (n,), sorted; those that the body does not have are passed over.
    """
    values: list[Buffer] = []
    coordinates: list[tuple[int, int, int]] = []
    for key, value in view.scan(*chunk_bounds(body)):
        values.append(value)
        coordinates.append(chunk_of_key(key)[1])
    rows = _rows(body, coordinates, joined_chunks(values))
    return rows.chosen(np.isin(rows.supervoxels, supervoxels))


def take_bodies(view: View, txn: Txn, bodies: Sequence[int]) -> Rows:
    """Take all rows of bodies, which end with it.

    Args:
        view: the version before the change.
        txn: a transaction of it.
        bodies: at least one body, each once.
    """
    parts = []
    for body in bodies:
        values: list[Buffer] = []
        coordinates: list[tuple[int, int, int]] = []
        for key, value in view.scan(*chunk_bounds(body)):
            values.append(value)
            coordinates.append(chunk_of_key(key)[1])
            txn.delete(key)
        put_summary(txn, body, None)
        parts.append(_rows(body, coordinates, joined_chunks(values)))
    return joined_rows(parts)

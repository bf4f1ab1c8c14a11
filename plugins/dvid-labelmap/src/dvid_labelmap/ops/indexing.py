"""The indices of bodies after a write of voxels: what each written block holds now, body by body."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from dvid_labels import kernels
from dvid_labels.types import Buffer, Labels
from dvid_voxels.geometry import Triple
from numpy.typing import NDArray

from dvid_framework.api import Conflict, Txn, View
from dvid_labelmap.index_codec import CHUNK_SIDE, Chunk, encode_chunk
from dvid_labelmap.keys import after_block_row, block_coordinate, block_key, stray_key, summary_key
from dvid_labelmap.ops.body_records import parts_of
from dvid_labelmap.ops.bounds import THREADS, stored_blocks
from dvid_labelmap.ops.index_changes import change_rows
from dvid_labelmap.ops.index_rows import Integers, Rows, places_of_blocks
from dvid_labelmap.ops.mapping import bodies_of

if TYPE_CHECKING:
    from dvid_labelmap.instance import LabelMapInstance

__all__ = ["count_rows", "index_blocks", "stored_payloads"]

_Counts = tuple[NDArray[np.int64], Labels, Integers]


def stored_payloads(view: View, coordinates: Integers) -> list[Buffer | None]:
    """Return the stored blocks of scale 0; None where there is none, or where merged branches disagree about it.

    Args:
        view: the version.
        coordinates: block coordinates, int64 (n, 3) as x, y, z.
    """
    keys = [block_key(0, (x, y, z)) for x, y, z in coordinates.tolist()]
    try:
        return list(view.multi_get(keys))
    except Conflict:
        return [_settled(view, key) for key in keys]


def _settled(view: View, key: bytes) -> Buffer | None:
    try:
        return view.get(key)
    except Conflict:
        return None


def count_rows(payloads: Sequence[Buffer | None], coordinates: Integers, block_size: Triple) -> _Counts:
    """Count the voxels of each label but 0 in blocks of scale 0.

    Args:
        payloads: the blocks; None where there is none.
        coordinates: their block coordinates, int64 (n, 3) as x, y, z.
        block_size: voxels of a block (x, y, z).

    Returns:
        Number of the block int64 (r,), label uint64 (r,) and voxels int64 (r,), sorted by block, then label.

    Raises:
        CorruptValue: a stored block is damaged.
    """
    with stored_blocks(0, coordinates):  # type: ignore[arg-type]  # rows of the array do as triples
        blocks, labels, voxels = kernels.label_counts(payloads, block_size, None, THREADS)
    return _of_labels(blocks, labels, voxels)


def _of_labels(blocks: NDArray[np.int64], labels: Labels, voxels: NDArray[np.uint32]) -> _Counts:
    """Leave out label 0."""
    kept = labels != 0
    return blocks[kept], labels[kept], voxels[kept].astype(np.int64)


def index_blocks(
    instance: LabelMapInstance,
    view: View,
    txn: Txn,
    coordinates: Integers,
    payloads: Sequence[Buffer],
    former: Sequence[Sequence[Buffer | None]],
    counts: tuple[NDArray[np.int64], Labels, NDArray[np.uint32]] | None = None,
) -> None:
    """Add to a transaction what the indices of bodies are after blocks of scale 0 were written.

    What a block holds takes the place of what the indices say of it, so doing it again changes nothing.

    Args:
        instance: the instance.
        view: the version before the write.
        txn: a transaction of it.
        coordinates: block coordinates, int64 (n, 3) as x, y, z, each once.
        payloads: the written blocks.
        former: what was in their places; several lists where several versions were merged.
        counts: voxels of the labels in the written blocks, as `kernels.label_counts`, if they are known.

    Raises:
        CorruptValue: a stored block or a part of an index is damaged.
    """
    size = instance.settings.block_size
    written = count_rows(payloads, coordinates, size) if counts is None else _of_labels(*counts)
    counted = [written, *(count_rows(old, coordinates, size) for old in former)]
    blocks, labels = (np.concatenate([rows[column] for rows in counted]) for column in (0, 1))
    voxels = np.zeros(len(blocks), np.int64)
    voxels[: len(counted[0][0])] = counted[0][2]
    order = np.lexsort((labels, blocks))  # stable: what is written comes first
    blocks, labels, voxels = blocks[order], labels[order], voxels[order]
    first = np.ones(len(blocks), bool)
    first[1:] = (blocks[1:] != blocks[:-1]) | (labels[1:] != labels[:-1])
    blocks, labels, voxels = blocks[first], labels[first], voxels[first]
    names, owners = np.unique(labels, return_inverse=True)
    bodies = bodies_of(instance, view, names)
    rows = Rows(bodies[owners.ravel()], coordinates[blocks], labels, voxels)
    for label in np.unique(labels[(rows.bodies == 0) & (voxels > 0)]).tolist():
        txn.put(stray_key(label), b"")  # an undo that makes it a supervoxel again would not find its voxels
    settle = _Settling(instance, view)
    rows = _with_strays(view, rows, names[bodies != names])
    change_rows(view, txn, rows, settle=settle, places=instance.places)


class _Settling:
    """Makes what merged branches disagree about anew of the stored blocks."""

    def __init__(self, instance: LabelMapInstance, view: View) -> None:
        self._instance = instance
        self._view = view

    def chunk(self, body: int, corner: Triple) -> Buffer:
        """Return a part of an index; blocks that merged branches disagree about count as absent."""
        return _settled_chunk(self._instance, self._view, body, corner)

    def corners(self, body: int) -> set[Triple]:
        """Return the chunks of a body in the nearest versions before that agree about it."""
        dag, found = self._instance.repo.dag, set[Triple]()
        waiting, seen = list(dag.parents(self._view.version)), set[int]()
        while waiting:
            number = waiting.pop()
            if number in seen:
                continue
            seen.add(number)
            with self._instance.view(dag[number]) as view:
                try:
                    found.update(parts_of(view, body)[0])
                except Conflict:
                    waiting += dag.parents(number)
        return found


def _settled_chunk(instance: LabelMapInstance, view: View, body: int, chunk: Triple) -> Buffer:
    """Make a part of an index anew of the stored blocks."""
    x, y, z = (CHUNK_SIDE * n for n in chunk)
    rows = ((x, y + i % CHUNK_SIDE, z + i // CHUNK_SIDE) for i in range(CHUNK_SIDE**2))
    bounds = ((block_key(0, row), after_block_row(0, (x + CHUNK_SIDE - 1, row[1], row[2]))) for row in rows)
    found = [block_coordinate(key)[1] for first, last in bounds for key in view.keys(first, last)]
    coordinates = np.array(found, np.int64).reshape(-1, 3)
    payloads = stored_payloads(view, coordinates)
    blocks, labels, voxels = count_rows(payloads, coordinates, instance.settings.block_size)
    mine = bodies_of(instance, view, labels) == np.uint64(body)
    _, places = places_of_blocks(coordinates[blocks[mine]])
    order = np.lexsort((labels[mine], places))
    none = np.zeros(0, np.uint64)
    return encode_chunk(
        Chunk(
            places[order].astype("<u2"),
            labels[mine][order],
            voxels[mine][order].astype("<u4"),
            none.astype("<u2"),
            none,
        )
    )


def _with_strays(view: View, rows: Rows, mapped: Labels) -> Rows:
    """Leave out rows of no body; take supervoxels out of bodies of their own id that they were posted away from."""
    known = [key in view for key in map(summary_key, mapped.tolist())]
    strays = rows.chosen(np.isin(rows.supervoxels, mapped[np.array(known, bool)]))
    rows = rows.chosen(rows.bodies != 0)
    if not len(strays.bodies):
        return rows
    gone = Rows(strays.supervoxels, strays.blocks, strays.supervoxels, np.zeros(len(strays.bodies), np.int64))
    return Rows(
        np.concatenate((rows.bodies, gone.bodies)),
        np.concatenate((rows.blocks, gone.blocks)),
        np.concatenate((rows.supervoxels, gone.supervoxels)),
        np.concatenate((rows.voxels, gone.voxels)),
    )

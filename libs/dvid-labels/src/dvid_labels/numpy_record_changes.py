"""Changes of stored bodies, in numpy: what the native kernel means, and what runs without it."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dvid_labels.body_records import Record, RecordRows, Stamp, Summary, decode_record, encode_record
from dvid_labels.index_chunks import CHUNK_SIDE, decode_chunks
from dvid_labels.numpy_records import encode_chunks
from dvid_labels.types import Buffer, Labels

__all__ = ["change_records"]

_STEPS = np.array((1, CHUNK_SIDE, CHUNK_SIDE**2))
_INT32 = np.iinfo(np.int32)
_Integers = NDArray[np.int64]


class _Columns(NamedTuple):
    """Rows of bodies: chunk of each, int64 (n, 4) as number of the body, z, y, x; its block's place there; the rest."""

    chunks: _Integers
    places: _Integers
    supervoxels: Labels
    voxels: _Integers


def change_records(
    labels: Labels,
    records: Sequence[Buffer | None],
    owners: NDArray[np.int64],
    rows: RecordRows,
    marks: Labels,
    *,
    adding: bool,
    stamp: Stamp | None,
) -> list[bytes | None]:
    """Change the records of bodies: rows come to them, or take the place of what they say.

    Args:
        labels: the bodies, uint64 (k,).
        records: the stored record of each, whole; None for what is no body yet.
        owners: number of the body of each row, int64 (n,).
        rows: the rows.
        marks: the mutation that marks the block of each row, uint64 (n,); 0 for none. The larger one stays.
        adding: whether voxels come to those that are there, or take their place, when 0 means that the row goes.
        stamp: what the mutation leaves in the records; without one only voxels were written.

    Returns:
        The new record of each; None for one without voxels.

    Raises:
        LabelFormatError: a record is damaged.
        ValueError: columns are not parallel, a row is of no body, or a coordinate is no int32.
    """
    if len(labels) != len(records) or {len(column) for column in (*rows, marks)} != {len(owners)}:
        raise ValueError("the columns differ in length")
    if len(owners) and not 0 <= owners.min() <= owners.max() < len(labels):
        raise ValueError("a row is of no body")
    if len(owners) and not _INT32.min <= rows[0].min() <= rows[0].max() <= _INT32.max:
        raise ValueError("a block coordinate is no int32")
    bodies = [None if record is None else decode_record(record) for record in records]
    before, marked, ids = _columns_of(bodies)
    blocks = np.asarray(rows[0], np.int64).reshape(-1, 3)
    come = _Columns(
        np.column_stack((owners, (blocks // CHUNK_SIDE)[:, ::-1])), blocks % CHUNK_SIDE @ _STEPS, rows[1], rows[2]
    )
    joined = _joined(before, come, adding=adding)
    marking = np.flatnonzero(marks)
    surfaces = np.concatenate((marked, np.column_stack((come.chunks, come.places))[marking]))
    return _encoded(labels, bodies, joined, _largest(surfaces, np.concatenate((ids, marks[marking])), joined), stamp)


def _columns_of(bodies: Sequence[Record | None]) -> tuple[_Columns, _Integers, Labels]:
    """Return the rows of records; and their marked blocks, int64 (m, 5) as number, z, y, x, place, with the marks."""
    known = [(number, body) for number, body in enumerate(bodies) if body is not None]
    chunk, counts, surface_counts = decode_chunks([value for _, body in known for value in body.chunks])
    corners = [(number, z, y, x) for number, body in known for x, y, z in body.corners]
    parts = np.array(corners, np.int64).reshape(-1, 4)
    columns = _Columns(
        np.repeat(parts, counts, axis=0),
        chunk.places.astype(np.int64),
        chunk.supervoxels.astype(np.uint64),
        chunk.voxels.astype(np.int64),
    )
    marked = np.column_stack((np.repeat(parts, surface_counts, axis=0), chunk.surface_places.astype(np.int64)))
    return columns, marked, chunk.surface_ids.astype(np.uint64)


def _firsts(*columns: NDArray[np.generic]) -> NDArray[np.bool_]:
    """Tell which rows differ from the one before in some column."""
    first = np.ones(len(columns[0]), bool)
    first[1:] = False
    for column in columns:
        unequal = column[1:] != column[:-1]
        first[1:] |= unequal.any(axis=1) if unequal.ndim > 1 else unequal
    return first


def _joined(before: _Columns, come: _Columns, *, adding: bool) -> _Columns:
    """Return one row for each body, block and supervoxel, sorted; none without voxels."""
    chunks, places, supervoxels, voxels = (np.concatenate(pair) for pair in zip(before, come, strict=True))
    order = np.lexsort((supervoxels, places, *chunks.T[::-1]))  # stable: what there was comes first
    rows = _Columns(chunks[order], places[order], supervoxels[order], voxels[order])
    first = _firsts(*rows[:3])
    last = np.append(first[1:], True)[: len(first)]
    kept = rows.voxels[last]
    if adding:
        kept = np.add.reduceat(rows.voxels, np.flatnonzero(first)) if len(first) else kept
    there = kept > 0
    return _Columns(rows.chunks[last][there], rows.places[last][there], rows.supervoxels[last][there], kept[there])


def _largest(blocks: _Integers, ids: Labels, rows: _Columns) -> tuple[_Integers, Labels]:
    """Return each marked block that has rows once, sorted, with its largest mark."""
    order = np.lexsort((ids, *blocks.T[::-1]))
    blocks, ids = blocks[order], ids[order]
    last = np.append(_firsts(blocks)[1:], True)[: len(blocks)]
    blocks, ids = blocks[last], ids[last]
    both = np.concatenate((np.unique(np.column_stack((rows.chunks, rows.places)), axis=0), blocks))
    _, owners, times = np.unique(both, axis=0, return_inverse=True, return_counts=True)
    there = times[owners.ravel()[len(both) - len(blocks) :]] > 1
    return blocks[there], ids[there]


def _encoded(
    labels: Labels,
    bodies: Sequence[Record | None],
    rows: _Columns,
    surfaces: tuple[_Integers, Labels],
    stamp: Stamp | None,
) -> list[bytes | None]:
    """Return the record of each body of its rows."""
    starts = np.flatnonzero(_firsts(rows.chunks))
    heads = rows.chunks[starts]
    numbers = np.cumsum(_firsts(rows.chunks)) - 1
    marked = surfaces[0]
    owners = {tuple(head): number for number, head in enumerate(heads.tolist())}
    groups = np.array([owners[tuple(chunk)] for chunk in marked[:, :4].tolist()], np.int64)
    order = np.arange(1, len(heads) + 1)
    chunks = encode_chunks(
        np.searchsorted(numbers, order), rows[1:], np.searchsorted(groups, order), (marked[:, 4], surfaces[1])
    )
    corners = [(x, y, z) for _, z, y, x in heads.tolist()]
    blocks = rows.chunks[:, :0:-1] * CHUNK_SIDE + rows.places[:, None] // _STEPS % CHUNK_SIDE
    cuts = np.searchsorted(rows.chunks[:, 0], np.arange(len(labels) + 1)).tolist()
    parts = np.searchsorted(heads[:, 0], np.arange(len(labels) + 1)).tolist()
    found: list[bytes | None] = []
    for number, (label, body) in enumerate(zip(labels.tolist(), bodies, strict=True)):
        mine, own = slice(*cuts[number : number + 2]), slice(*parts[number : number + 2])
        if mine.start == mine.stop:
            found.append(None)
            continue
        summary = _summary(label, blocks[mine], rows.supervoxels[mine], rows.voxels[mine])
        last: Sequence[int | str] = (0, "", "", "") if body is None else body.summary[5:]
        summary = Summary(*summary[:5], *(last if stamp is None else stamp))  # type: ignore[arg-type]
        found.append(encode_record(summary, corners[own], chunks[own]))
    return found


def _summary(label: int, blocks: _Integers, supervoxels: Labels, voxels: _Integers) -> Summary:
    (x0, y0, z0), (x1, y1, z1) = blocks.min(axis=0).tolist(), blocks.max(axis=0).tolist()
    own = int(voxels[supervoxels == np.uint64(label)].sum())
    return Summary(int(voxels.sum()), own, int(_firsts(blocks).sum()), (x0, y0, z0), (x1, y1, z1))

"""What is known of bodies: their sizes, supervoxels and blocks, read from summaries and indices."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
from dvid_labels.types import Buffer, Labels
from dvid_voxels.geometry import Triple
from numpy.typing import NDArray

from dvid_framework.api import CorruptValue, View
from dvid_labelmap.index_codec import Summary, decode_chunk
from dvid_labelmap.keys import body_of_summary, summary_bounds
from dvid_labelmap.ops.body_records import parts_of
from dvid_labelmap.ops.index_rows import Integers, blocks_of_places, joined_chunks

__all__ = [
    "BodyIndex",
    "index_of_parts",
    "label_pieces",
    "label_texts",
    "measure",
    "read_index",
    "supervoxel_sizes",
]

_PIECE_LABELS = 1 << 16
_ALL = 1 << 62
_SEVERAL = 2
_LEAST_SUMMARY = 56


@dataclass(frozen=True, slots=True)
class BodyIndex:
    """The index of a body.

    Attributes:
        blocks: block coordinates, int64 (n, 3) as x, y, z, each once, sorted by z, y, x.
        starts: the first row of each block and the number of rows, int64 (n + 1,).
        supervoxels: of each row, uint64 (r,), sorted within a block.
        voxels: of each row, uint32 (r,).
        surfaces: the last mutation that changed the body in each block, uint64 (n,); 0 for none.
    """

    blocks: Integers
    starts: Integers
    supervoxels: Labels
    voxels: NDArray[np.uint32]
    surfaces: Labels

    def of_supervoxel(self, supervoxel: int) -> BodyIndex:
        """Return the part of one supervoxel."""
        rows = np.flatnonzero(self.supervoxels == np.uint64(supervoxel))
        blocks = np.searchsorted(self.starts, rows, "right") - 1
        return BodyIndex(
            self.blocks[blocks],
            np.arange(len(rows) + 1),
            self.supervoxels[rows],
            self.voxels[rows],
            self.surfaces[blocks],
        )


def read_index(view: View, body: int) -> BodyIndex | None:
    """Return the index of a body; None if it is none.

    Raises:
        CorruptValue: stored bytes are damaged.
        Conflict: merged branches disagree about it.
    """
    return index_of_parts(*parts_of(view, body))


def index_of_parts(corners: Sequence[Triple], values: Sequence[Buffer]) -> BodyIndex | None:
    """Return the index of a body of its chunks, coordinates (x, y, z) and stored bytes; None without any.

    Raises:
        CorruptValue: stored bytes are damaged.
    """
    if len(values) < _SEVERAL:
        return _index_of_chunk(corners[0], values[0]) if values else None
    rows = joined_chunks(values)
    chunks = np.array(corners)
    numbers = rows.block_numbers()
    starts = np.append(np.searchsorted(rows.groups << 9 | rows.places, numbers), len(rows.groups))
    blocks = blocks_of_places(chunks[numbers >> 9], numbers & 511)
    surfaces = np.zeros(len(numbers), np.uint64)
    marked = np.searchsorted(numbers, rows.surface_groups << 9 | rows.surface_places)
    surfaces[marked] = rows.surface_ids
    index = BodyIndex(blocks, starts, rows.supervoxels, rows.voxels.astype(np.uint32), surfaces)
    return _sorted(index)


def _index_of_chunk(corner: Triple, value: Buffer) -> BodyIndex:
    """Return the index of a body that is in a single chunk, as most are, by as few steps as can be."""
    chunk = decode_chunk(value)
    rows = chunk.places.astype(np.int64)
    firsts = np.flatnonzero(np.diff(rows, prepend=-1))
    places = rows[firsts]
    surfaces = np.zeros(len(places), np.uint64)
    if len(chunk.surface_places):
        surfaces[np.searchsorted(places, chunk.surface_places)] = chunk.surface_ids
    blocks = blocks_of_places(np.array((corner,)), places)
    return BodyIndex(blocks, np.append(firsts, len(rows)), chunk.supervoxels, chunk.voxels, surfaces)


def _sorted(index: BodyIndex) -> BodyIndex:
    """Sort blocks by z, y, x across chunks, their rows with them."""
    order = np.lexsort(index.blocks.T)
    counts = np.diff(index.starts)[order]
    starts = np.append(0, np.cumsum(counts))
    rows = np.repeat(index.starts[:-1][order] - starts[:-1], counts) + np.arange(starts[-1])
    return BodyIndex(index.blocks[order], starts, index.supervoxels[rows], index.voxels[rows], index.surfaces[order])


def supervoxel_sizes(view: View, body: int) -> tuple[Labels, Integers]:
    """Return the supervoxels of a body, uint64 (n,), ascending, and the voxels of each, int64 (n,)."""
    rows = joined_chunks(parts_of(view, body)[1])
    names, owners = np.unique(rows.supervoxels, return_inverse=True)
    return names, np.bincount(owners.ravel(), rows.voxels, len(names)).astype(np.int64)


def label_pieces(view: View, first: int, count: int, *, sizes: bool) -> Iterator[bytes]:
    """Yield bodies from `first` on, ascending: uint64 each, with sizes pairs of uint64, at most `count` bodies."""
    stored = _sized(view, first) if sizes else (key[:0:-1] for key in view.keys(*summary_bounds(first)))
    stored = islice(stored, count)
    while parts := list(islice(stored, _PIECE_LABELS)):
        yield b"".join(parts)


def _sized(view: View, first: int) -> Iterator[bytes]:
    """Yield bodies from `first` on and their voxels, uint64 each: the end of the key backwards, the summary's start."""
    for key, value in view.scan(*summary_bounds(first)):
        if len(value) < _LEAST_SUMMARY:
            raise CorruptValue(f"what is known of body {body_of_summary(key)} is damaged: it is cut off")
        yield key[:0:-1] + bytes(value[:8])


def label_texts(view: View) -> Iterator[bytes]:
    """Yield all bodies, ascending, as a JSON list."""
    opening = b"["
    for piece in label_pieces(view, 0, _ALL, sizes=False):
        yield opening + ",".join(map(str, np.frombuffer(piece, "<u8").tolist())).encode()
        opening = b","
    yield b"[]" if opening == b"[" else b"]"


def measure(corners: Sequence[Triple], values: Sequence[Buffer], body: int) -> Summary:
    """Return what the chunks of a body, coordinates (x, y, z) and stored bytes, say of it as a whole.

    Raises:
        CorruptValue: stored bytes are damaged, or no chunk has rows.
    """
    rows = joined_chunks(values)
    chunks = np.array(corners)
    numbers = rows.block_numbers()
    if not len(numbers):
        raise CorruptValue(f"what is known of body {body} is damaged: its index is empty")
    blocks = blocks_of_places(chunks[numbers >> 9], numbers & 511)
    (x0, y0, z0), (x1, y1, z1) = blocks.min(axis=0).tolist(), blocks.max(axis=0).tolist()
    own = int(rows.voxels[rows.supervoxels == np.uint64(body)].sum())
    return Summary(int(rows.voxels.sum()), own, len(numbers), (x0, y0, z0), (x1, y1, z1))

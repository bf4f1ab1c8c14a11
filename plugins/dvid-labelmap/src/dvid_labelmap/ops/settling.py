"""What merged branches disagree about, read all the same: such bodies, or parts of them, are made anew of blocks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from dvid_labels.types import Buffer
from dvid_voxels.geometry import Triple

from dvid_framework.api import Conflict, View
from dvid_labelmap.index_codec import encode_record
from dvid_labelmap.keys import chunk_of_key, summary_key
from dvid_labelmap.ops.body_index import measure
from dvid_labelmap.ops.index_rows import EMPTY

__all__ = ["Settle", "settled_bodies", "settled_parts"]


class Settle(Protocol):
    """Makes what merged branches disagree about anew."""

    def chunk(self, body: int, corner: Triple) -> Buffer:
        """Return the stored form of a chunk (x, y, z) of a body."""

    def corners(self, body: int) -> set[Triple]:
        """Return the chunks that some of the branches have of a body."""


def settled_parts(view: View, keys: Sequence[bytes], settle: Settle | None) -> list[Buffer]:
    """Return the stored bytes of chunks, and make those that merged branches disagree about; `EMPTY` where none is.

    Raises:
        Conflict: they do about one, and nothing settles it.
    """
    try:
        return [value or EMPTY for value in view.multi_get(keys)]
    except Conflict:
        if settle is None:
            raise
    return [_chunk(view, key, settle) for key in keys]


def _chunk(view: View, key: bytes, settle: Settle) -> Buffer:
    try:
        return view.get(key) or EMPTY
    except Conflict:
        return settle.chunk(*chunk_of_key(key))


def settled_bodies(
    view: View, bodies: Sequence[int], settle: Settle | None
) -> tuple[list[Buffer | None], frozenset[int]]:
    """Return what is stored of each body, and which were made anew, as records, as merged branches disagree about them.

    Raises:
        Conflict: they do about one, and nothing settles it.
    """
    try:
        return list(view.multi_get(map(summary_key, bodies))), frozenset()
    except Conflict:
        if settle is None:
            raise
    values: list[Buffer | None] = []
    made = set()
    for body in bodies:
        try:
            values.append(view.get(summary_key(body)))
        except Conflict:
            values.append(_record(body, settle))
            made.add(body)
    return values, frozenset(made)


def _record(body: int, settle: Settle) -> bytes | None:
    places = sorted(settle.corners(body), key=lambda corner: corner[::-1])
    chunks = [(corner, settle.chunk(body, corner)) for corner in places]
    chunks = [(corner, chunk) for corner, chunk in chunks if bytes(chunk) != EMPTY]
    if not chunks:
        return None
    corners, values = [corner for corner, _ in chunks], [chunk for _, chunk in chunks]
    return encode_record(measure(corners, values, body), corners, values)

"""What merged branches disagree about, read all the same: such parts of indices are made anew by who needs them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from dvid_labels.types import Buffer
from dvid_voxels.geometry import Triple

from dvid_framework.api import Conflict, View
from dvid_labelmap.index_codec import Summary, decode_chunk, decode_summary
from dvid_labelmap.keys import chunk_bounds, chunk_of_key, summary_key
from dvid_labelmap.ops.body_index import measure
from dvid_labelmap.ops.index_rows import ChunkRows, joined_chunks

__all__ = ["Settle", "settled_chunks", "settled_summaries"]

Settle: TypeAlias = Callable[[int, Triple], Buffer]
"""Makes the stored form of a chunk (x, y, z) of a body anew."""


def _chunk(view: View, key: bytes, settle: Settle) -> Buffer:
    """Return a stored chunk; one without rows where there is none."""
    try:
        return view.get(key) or _NO_ROWS
    except Conflict:
        return settle(*chunk_of_key(key))


def settled_chunks(view: View, keys: Sequence[bytes], settle: Settle) -> ChunkRows:
    """Return the rows of chunks as `read_chunks`, and make those that merged branches disagree about."""
    try:
        values: list[Buffer] = [value or _NO_ROWS for value in view.multi_get(keys)]
    except Conflict:
        values = [_chunk(view, key, settle) for key in keys]
    return joined_chunks(values)


def settled_summaries(view: View, bodies: Sequence[int], settle: Settle) -> list[Summary | None]:
    """Return the summary of each body; where merged branches disagree, what the chunks of its index say."""
    keys = [summary_key(body) for body in bodies]
    try:
        values = view.multi_get(keys)
    except Conflict:
        return [_summary(view, body, settle) for body in bodies]
    return [None if value is None else decode_summary(value) for value in values]


def _summary(view: View, body: int, settle: Settle) -> Summary | None:
    try:
        value = view.get(summary_key(body))
        return None if value is None else decode_summary(value)
    except Conflict:
        chunks = [(key, _chunk(view, key, settle)) for key in view.keys(*chunk_bounds(body))]
        chunks = [(key, value) for key, value in chunks if len(decode_chunk(value).places)]
        return measure(chunks, body) if chunks else None


_NO_ROWS = bytes(8)

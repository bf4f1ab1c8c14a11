"""Merges and cleaves of bodies that are one record each, or nearly: read once, changed by one call, written once.

Most bodies are such. A change takes few steps then, and holds all locks from the start, for nothing in it takes long.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from dvid_labels import kernels
from dvid_labels.types import Buffer, Labels
from dvid_voxels.geometry import Triple

from dvid_framework.api import View
from dvid_labelmap.index_codec import CHUNK_SIDE, decode_record, decode_summary, encode_record, is_whole, stored_bodies
from dvid_labelmap.keys import chunk_key, summary_key
from dvid_labelmap.ops.body_commits import BodyChange
from dvid_labelmap.ops.body_records import fits, put_apart, put_records

__all__ = ["Cleaved", "WholeBody", "cleave_whole", "merge_whole", "whole_bodies"]


class WholeBody(NamedTuple):
    """A body that was read as one record.

    Attributes:
        label: the body.
        record: its record.
        part: where the only part of its index is (x, y, z) if that is stored apart.
    """

    label: int
    record: Buffer
    part: Triple | None


class Cleaved(NamedTuple):
    """What a cleave changes of two bodies.

    Attributes:
        stays: the record of the body.
        leaves: that of the new body.
        blocks: where the new body is, int32 x, y, z of each block.
    """

    stays: bytes
    leaves: bytes
    blocks: bytes


def whole_bodies(view: View, stored: Iterable[tuple[int, Buffer]]) -> list[WholeBody] | None:
    """Return bodies as one record each; None if the index of one is stored in several parts.

    Args:
        view: the version.
        stored: each body, and what is stored of it.

    Raises:
        CorruptValue: stored bytes are damaged.
        Conflict: merged branches disagree about a part that is stored apart.
    """
    found = []
    for label, value in stored:
        if is_whole(value):
            found.append(WholeBody(label, value, None))
            continue
        summary = decode_summary(value)
        (x0, y0, z0), (x1, y1, z1) = summary.low, summary.high
        part = x0 // CHUNK_SIDE, y0 // CHUNK_SIDE, z0 // CHUNK_SIDE
        if part != (x1 // CHUNK_SIDE, y1 // CHUNK_SIDE, z1 // CHUNK_SIDE):
            return None
        chunk = view.get(chunk_key(label, part))
        if chunk is None:
            return None
        found.append(WholeBody(label, encode_record(summary, [part], [chunk]), part))
    return found


def merge_whole(change: BodyChange, bodies: Sequence[WholeBody]) -> tuple[list[bytes], Labels]:
    """Add to the transaction that bodies become part of the first one.

    Returns:
        The supervoxels of each of the others, uint64 each, and those of all of them, uint64 (n,), ascending.
    """
    target, *merged = bodies
    with stored_bodies():
        record, members, names = kernels.merge_records(target.label, [body.record for body in bodies], change.stamp)
    for body in merged:
        change.txn.delete(summary_key(body.label))
        if body.part is not None:
            change.txn.delete(chunk_key(body.label, body.part))
    _put(change, [(target, record)])
    return members, names


def cleave_whole(change: BodyChange, body: WholeBody, label: int, supervoxels: Labels) -> Cleaved:
    """Add to the transaction that supervoxels of a body, uint64 (n,), ascending, become a body with a new label."""
    with stored_bodies():
        found = Cleaved(*kernels.cleave_record((body.label, label), body.record, supervoxels, change.stamp))
    _put(change, [(body, found.stays), (WholeBody(label, b"", None), found.leaves)])
    return found


def _put(change: BodyChange, bodies: Sequence[tuple[WholeBody, bytes]]) -> None:
    """Add to the transaction what bodies are now."""
    txn, small, apart = change.txn, {}, []
    for body, record in bodies:
        if fits(record, is_apart=body.part is not None):
            small[body.label] = record
            if body.part is not None:
                txn.delete(chunk_key(body.label, body.part))
            continue
        summary, corners, chunks = decode_record(record)
        put_apart(txn, body.label, summary, corners, chunks)
        apart.append(body.label)
    put_records(txn, small)
    if apart:  # what is known of places in an earlier body of that label lacks some
        txn.after_commit(lambda _: change.places.forget(apart))

"""Stored form of mappings: parts of sorted runs, as planes of bytes, which compress well.

Sources are stored by their differences, which are small; targets are in no order, and stored as they are.
"""

from __future__ import annotations

import struct

import numpy as np
from dvid_labels.types import Buffer, Labels, Mapping

from dvid_framework.api import CorruptValue

__all__ = ["PART_ENTRIES", "count_entries", "decode_part", "encode_part"]

PART_ENTRIES = 4096
"""Entries of a part, but for the last of a run."""
_HEAD = struct.Struct("<I")


def _planes(numbers: Labels) -> bytes:
    """Return the lowest bytes of all numbers first, then the next ones."""
    return numbers.astype("<u8").view(np.uint8).reshape(-1, 8).T.tobytes()


def _numbers(value: Buffer, count: int, at: int) -> Labels:
    planes = np.frombuffer(value, np.uint8, 8 * count, at).reshape(8, count)
    rows = np.zeros((count, 8), np.uint8)
    for place, plane in enumerate(planes):
        if plane.any():
            rows[:, place] = plane
    return rows.view("<u8").ravel()


def encode_part(source: Labels, target: Labels) -> bytes:
    """Return the stored bytes of entries, uint64 (n,) each, sorted by source."""
    return _HEAD.pack(len(source)) + _planes(np.diff(source, prepend=np.uint64(0))) + _planes(target)


def count_entries(value: Buffer) -> int:
    """Return how many entries a part has.

    Raises:
        CorruptValue: it is damaged.
    """
    try:
        count: int = _HEAD.unpack_from(value)[0]
    except struct.error as error:
        raise CorruptValue(f"a part of the mappings is damaged: {error}") from error
    if len(value) != _HEAD.size + 16 * count:
        raise CorruptValue("a part of the mappings is damaged: its length is wrong")
    return count


def decode_part(value: Buffer) -> Mapping:
    """Return the entries of a part: source and target, uint64 (n,) each.

    Raises:
        CorruptValue: it is damaged.
    """
    count = count_entries(value)
    source = np.cumsum(_numbers(value, count, _HEAD.size), dtype=np.uint64)
    return source, _numbers(value, count, _HEAD.size + 8 * count)

"""The former stored form of mappings: parts of sorted runs, as planes of bytes. It is read, and written no more.

Sources are stored by their differences; targets as they are.
"""

from __future__ import annotations

import struct

import numpy as np
from dvid_labels.types import Buffer, Labels, Mapping

from dvid_framework.api import CorruptValue

__all__ = ["PART_ENTRIES", "count_entries", "decode_part", "first_source"]

PART_ENTRIES = 4096
"""Entries of a part, but for the last of a run."""
_HEAD = struct.Struct("<I")


def _numbers(value: Buffer, count: int, at: int) -> Labels:
    planes = np.frombuffer(value, np.uint8, 8 * count, at).reshape(8, count)
    rows = np.zeros((count, 8), np.uint8)
    for place, plane in enumerate(planes):
        if plane.any():
            rows[:, place] = plane
    return rows.view("<u8").ravel()


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


def first_source(value: Buffer) -> int:
    """Return the first source of a part.

    Raises:
        CorruptValue: it is damaged, or has no entry.
    """
    count = count_entries(value)
    if not count:
        raise CorruptValue("a part of the mappings is damaged: it has no entries")
    return int.from_bytes(bytes(value[_HEAD.size : _HEAD.size + 8 * count : count]), "little")


def decode_part(value: Buffer) -> Mapping:
    """Return the entries of a part: source and target, uint64 (n,) each.

    Raises:
        CorruptValue: it is damaged.
    """
    count = count_entries(value)
    source = np.cumsum(_numbers(value, count, _HEAD.size), dtype=np.uint64)
    return source, _numbers(value, count, _HEAD.size + 8 * count)

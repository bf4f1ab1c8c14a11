"""Stored rows: the elements of a block, or those of them that an index lists, as columns; and the labels of a block.

A row of elements is two uint32 (the format, 1, and the number n), then n times int32 x, y, z; n uint32 (where each
element's JSON ends); n uint32 (where it ends without its relationships, from its beginning); n bytes (kinds); and the
JSON of all, joined by commas, so that a whole row is a JSON list but for its brackets. A row of labels is n times int32
x, y, z and n uint64. All numbers are little-endian.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from struct import Struct
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from dvid_annotation.model import Coordinates, Item, Items, Owners, Position

__all__ = ["Flags", "Row", "decode_owners", "encode_items", "encode_owners", "positions_of", "text_of"]

_HEAD = Struct("<II")
_ONE = Struct("<II3iIIB")
_FORMAT = 1
Flags: TypeAlias = NDArray[np.bool_]


def text_of(value: bytes | memoryview) -> memoryview:
    """Return the JSON of all elements of a row, joined by commas."""
    _, count = _HEAD.unpack_from(value)
    return memoryview(value)[_HEAD.size + 21 * count :]


def positions_of(values: Iterable[bytes | memoryview]) -> tuple[Coordinates, list[int]]:
    """Return the places of the elements of several rows, int32 (n, 3), and how many each row has."""
    counts = []
    parts = []
    for value in values:
        _, count = _HEAD.unpack_from(value)
        counts.append(count)
        parts.append(memoryview(value)[_HEAD.size : _HEAD.size + 12 * count])
    return np.frombuffer(b"".join(parts), "<i4").reshape(-1, 3), counts


class Row:
    """A row of elements, decoded as far as it is asked for.

    Attributes:
        positions: int32 (n, 3) as x, y, z.
        kinds: uint8 (n,).
    """

    __slots__ = ("_ends", "_heads", "_text", "kinds", "positions")

    def __init__(self, value: bytes | memoryview) -> None:
        _, count = _HEAD.unpack_from(value)
        at = _HEAD.size
        self.positions = np.frombuffer(value, "<i4", 3 * count, at).reshape(count, 3)
        self._ends = np.frombuffer(value, "<u4", count, at + 12 * count)
        self._heads = np.frombuffer(value, "<u4", count, at + 16 * count)
        self.kinds = np.frombuffer(value, "u1", count, at + 20 * count)
        self._text = memoryview(value)[at + 21 * count :]

    def __len__(self) -> int:
        return len(self.kinds)

    def texts(self, chosen: Flags) -> list[memoryview]:
        """Return the JSON of some elements, bool (n,)."""
        ends = self._ends.tolist()
        starts = [0, *(end + 1 for end in ends)]
        return [self._text[starts[at] : ends[at]] for at in np.flatnonzero(chosen).tolist()]

    def items(self) -> Items:
        """Return the elements by their places."""
        if len(self.kinds) == 1:
            ((x, y, z),) = self.positions.tolist()
            return {(x, y, z): Item(int(self.kinds[0]), bytes(self._text), int(self._heads[0]))}
        found: Items = {}
        start, text = 0, bytes(self._text)
        columns = (self.positions.tolist(), self._ends.tolist(), self._heads.tolist(), self.kinds.tolist())
        for (x, y, z), end, head, kind in zip(*columns, strict=True):
            found[x, y, z] = Item(kind, text[start:end], head)
            start = end + 1
        return found

    def places(self) -> Iterator[Position]:
        """Yield where the elements are."""
        return ((x, y, z) for x, y, z in self.positions.tolist())


def encode_items(items: Items) -> bytes:
    """Return a row."""
    count = len(items)
    values = items.values()
    if count == 1:
        ((place, (kind, text, head)),) = items.items()
        return _ONE.pack(_FORMAT, 1, *place, len(text), head, kind) + text
    ends = np.cumsum([len(item.text) + 1 for item in values], dtype=np.int64) - 1
    columns = (
        np.array(list(items), "<i4").tobytes(),
        ends.astype("<u4").tobytes(),
        np.array([item.head for item in values], "<u4").tobytes(),
        bytes([item.kind for item in values]),
        b",".join([item.text for item in values]),
    )
    return _HEAD.pack(_FORMAT, count) + b"".join(columns)


def encode_owners(owners: Mapping[Position, int]) -> bytes:
    """Return a row of labels."""
    return np.array(list(owners), "<i4").tobytes() + np.array(list(owners.values()), "<u8").tobytes()


def decode_owners(value: bytes | memoryview) -> Owners:
    """Return the labels of a row by the places of the elements."""
    count = len(value) // 20
    positions: Coordinates = np.frombuffer(value, "<i4", 3 * count).reshape(count, 3)
    labels = np.frombuffer(value, "<u8", count, 12 * count)
    return {(x, y, z): label for (x, y, z), label in zip(positions.tolist(), labels.tolist(), strict=True)}

"""Stored rows: the elements of a block, or those of them that an index lists, as columns; and the labels of a block.

A row of elements is two uint32 (the format, 1, and the number n), then n times int32 x, y, z; n uint32 (where each
element's JSON ends); n uint32 (where it ends without its relationships, from its beginning); n bytes (kinds); and the
JSON of all, joined by commas, so that a whole row is a JSON list but for its brackets. A row of labels is n times int32
x, y, z and n uint64. All numbers are little-endian.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate, chain
from struct import Struct, pack, unpack_from
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from dvid_annotation.model import Coordinates, Item, Items, Owners, Position

__all__ = [
    "Columns",
    "Flags",
    "Row",
    "decode_owners",
    "encode_columns",
    "encode_items",
    "encode_owners",
    "positions_of",
    "text_of",
]

_HEAD = Struct("<II")
_FORMAT = 1
_FEW = 32  # so many are encoded sooner by themselves than as arrays
Flags: TypeAlias = NDArray[np.bool_]


def few_items(value: bytes | memoryview) -> Items | None:
    """Return the elements of a row by their places; None if they are more than a few."""
    _, count = _HEAD.unpack_from(value)
    if count > _FEW:
        return None
    numbers = unpack_from(f"<{3 * count}i{2 * count}I{count}B", value, _HEAD.size)
    text, start = bytes(memoryview(value)[_HEAD.size + 21 * count :]), 0
    found: Items = {}
    places, ends = numbers[: 3 * count], numbers[3 * count : 4 * count]
    heads, kinds = numbers[4 * count : 5 * count], numbers[5 * count :]
    triples = zip(places[::3], places[1::3], places[2::3], strict=True)
    for place, end, head, kind in zip(triples, ends, heads, kinds, strict=True):
        found[place] = Item(kind, text[start:end], head)
        start = end + 1
    return found


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
        found: Items = {}
        start, text = 0, bytes(self._text)
        columns = (self.positions.tolist(), self._ends.tolist(), self._heads.tolist(), self.kinds.tolist())
        for (x, y, z), end, head, kind in zip(*columns, strict=True):
            found[x, y, z] = Item(kind, text[start:end], head)
            start = end + 1
        return found

    def item(self, at: int) -> Item:
        """Return one of the elements."""
        start = int(self._ends[at - 1]) + 1 if at else 0
        return Item(int(self.kinds[at]), bytes(self._text[start : self._ends[at]]), int(self._heads[at]))

    def columns(self, chosen: Flags) -> Columns:
        """Return some of the elements, bool (n,), as columns; their JSON is not looked into."""
        ends = self._ends.astype(np.int64)
        lengths = ends - np.concatenate(([-1], ends[:-1])) - 1
        if chosen.all():
            return Columns(self.positions, lengths, self._heads, self.kinds, self._text)
        edges = np.flatnonzero(np.diff(np.concatenate(([False], chosen, [False])).astype(np.int8))).reshape(-1, 2)
        starts = np.concatenate(([0], ends + 1))
        runs = [self._text[starts[first] : starts[last] - 1] for first, last in edges.tolist()]
        return Columns(
            self.positions[chosen], lengths[chosen], self._heads[chosen], self.kinds[chosen], b",".join(runs)
        )


class Columns(NamedTuple):
    """Elements as columns.

    Attributes:
        positions: int32 (n, 3) as x, y, z.
        lengths: int64 (n,), bytes of the JSON of each.
        heads: uint32 (n,), bytes of it before the relationships.
        kinds: uint8 (n,).
        text: the JSON of all, joined by commas.
    """

    positions: NDArray[np.int32]
    lengths: NDArray[np.int64]
    heads: NDArray[np.uint32]
    kinds: NDArray[np.uint8]
    text: bytes | memoryview

    @classmethod
    def of(cls, items: Items) -> Columns:
        """Return elements as columns."""
        values = items.values()
        return cls(
            np.array(list(items), np.int32).reshape(-1, 3),
            np.array([len(item.text) for item in values], np.int64),
            np.array([item.head for item in values], np.uint32),
            np.array([item.kind for item in values], np.uint8),
            b",".join([item.text for item in values]),
        )


def encode_columns(parts: Sequence[Columns]) -> bytes:
    """Return a row of elements, one part behind the other."""
    lengths = np.concatenate([part.lengths for part in parts])
    columns = (
        *(part.positions.astype("<i4", copy=False).tobytes() for part in parts),
        (np.cumsum(lengths + 1) - 1).astype("<u4").tobytes(),
        *(part.heads.astype("<u4", copy=False).tobytes() for part in parts),
        *(part.kinds.tobytes() for part in parts),
        b",".join([part.text for part in parts if len(part.kinds)]),
    )
    return _HEAD.pack(_FORMAT, len(lengths)) + b"".join(columns)


def encode_items(items: Items) -> bytes:
    """Return a row of elements."""
    count = len(items)
    if count > _FEW:
        return encode_columns([Columns.of(items)])
    kinds, texts, heads = zip(*items.values(), strict=True) if items else ((), (), ())
    ends = accumulate(map(len, texts), lambda end, length: end + 1 + length)
    places = chain.from_iterable(items)
    return pack(f"<II{3 * count}i{2 * count}I{count}B", _FORMAT, count, *places, *ends, *heads, *kinds) + b",".join(
        texts
    )


def encode_owners(owners: Mapping[Position, int]) -> bytes:
    """Return a row of labels."""
    return np.array(list(owners), "<i4").tobytes() + np.array(list(owners.values()), "<u8").tobytes()


def decode_owners(value: bytes | memoryview) -> Owners:
    """Return the labels of a row by the places of the elements."""
    count = len(value) // 20
    positions: Coordinates = np.frombuffer(value, "<i4", 3 * count).reshape(count, 3)
    labels = np.frombuffer(value, "<u8", count, 12 * count)
    return {(x, y, z): label for (x, y, z), label in zip(positions.tolist(), labels.tolist(), strict=True)}

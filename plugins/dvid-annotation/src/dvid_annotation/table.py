"""A long row of elements that is changed at some places: what stays is copied as it is, and never decoded."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping

import numpy as np

from dvid_annotation.model import Item, Position
from dvid_annotation.stored import Columns, Row, encode_columns, encode_items, few_items

__all__ = ["Table", "decode_items", "encode_row"]


class Table(MutableMapping[Position, Item]):
    """The elements of a row by their places, with changes beside it.

    Args:
        row: the row.
    """

    __slots__ = ("_changes", "_places", "_row")

    def __init__(self, row: Row) -> None:
        self._row = row
        self._changes: dict[Position, Item | None] = {}
        x, y, z = row.positions.T.tolist() if len(row) else ([], [], [])
        self._places: dict[Position, int] = dict(zip(zip(x, y, z, strict=True), range(len(x)), strict=True))

    def __getitem__(self, position: Position) -> Item:
        if position in self._changes:
            item = self._changes[position]
            if item is None:
                raise KeyError(position)
            return item
        return self._row.item(self._places[position])

    def __contains__(self, position: object) -> bool:
        if position in self._changes:
            return self._changes[position] is not None
        return position in self._places

    def __setitem__(self, position: Position, item: Item) -> None:
        self._changes[position] = item

    def __delitem__(self, position: Position) -> None:
        if position not in self:
            raise KeyError(position)
        self._changes[position] = None

    def __iter__(self) -> Iterator[Position]:
        changes = self._changes
        yield from (position for position in self._places if position not in changes)
        yield from (position for position, item in changes.items() if item is not None)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def encode(self) -> bytes:
        """Return the changed row."""
        kept = np.ones(len(self._row), bool)
        kept[[at for at in map(self._places.get, self._changes) if at is not None]] = False
        added = {position: item for position, item in self._changes.items() if item is not None}
        return encode_columns([self._row.columns(kept), Columns.of(added)])


def decode_items(value: bytes | memoryview) -> MutableMapping[Position, Item]:
    """Return the elements of a row by their places, to be changed."""
    few = few_items(value)
    return Table(Row(value)) if few is None else few


def encode_row(items: MutableMapping[Position, Item]) -> bytes:
    """Return the row of elements."""
    return items.encode() if isinstance(items, Table) else encode_items(dict(items))

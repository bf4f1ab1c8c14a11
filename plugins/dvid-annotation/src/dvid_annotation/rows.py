"""The rows that a mutation works on: read once, changed in memory, and put into its unit at the end."""

from __future__ import annotations

from collections.abc import Iterable, MutableMapping

from dvid_annotation.keys import BLOCK, OWNERS
from dvid_annotation.model import Item, Items, Owners, Position
from dvid_annotation.stored import decode_owners, encode_owners
from dvid_annotation.table import decode_items, encode_row
from dvid_framework.api import Conflict, Txn, View

__all__ = ["Rows"]


class Rows:
    """Rows of one version.

    Args:
        view: the state before the mutation.
        txn: takes the changed rows.
        mending: rows on which merged branches disagree count as empty; those of indices are written anew.
    """

    def __init__(self, view: View, txn: Txn, *, mending: bool = False) -> None:
        self._view = view
        self._txn = txn
        self._mending = mending
        self._items: dict[bytes, MutableMapping[Position, Item]] = {}
        self._owners: dict[bytes, Owners] = {}
        self._there: set[bytes] = set()
        self._changed: set[bytes] = set()
        self._disputed: set[bytes] = set()

    def load(self, keys: Iterable[bytes]) -> None:
        """Read rows that will be asked for.

        Raises:
            Conflict: merged branches disagree about one of them.
        """
        missing = [key for key in dict.fromkeys(keys) if key not in self._items and key not in self._owners]
        if not missing:
            return
        for key, value in zip(missing, self._read(missing), strict=True):
            if value is not None:
                self._there.add(key)
            if key[:1] == OWNERS:
                self._owners[key] = {} if value is None else decode_owners(value)
            else:
                self._items[key] = {} if value is None else decode_items(value)

    def _read(self, keys: list[bytes]) -> list[memoryview | None]:
        try:
            return self._view.multi_get(keys)
        except Conflict:
            if not self._mending:
                raise
        return [self._mended(key) for key in keys]

    def _mended(self, key: bytes) -> memoryview | None:
        try:
            return self._view.get(key)
        except Conflict:
            if key[:1] == BLOCK:  # it stays as it is until somebody says what it shall hold
                self._disputed.add(key)
            else:
                self._changed.add(key)
                self._there.add(key)
            return None

    def __contains__(self, key: bytes) -> bool:
        """Tell whether there was such a row before the mutation."""
        self.load([key])
        return key in self._there

    def items(self, key: bytes) -> MutableMapping[Position, Item]:
        """Return the elements of a row, empty if there is no such row; change them by `put` and `drop` alone."""
        if key not in self._items:
            self.load([key])
        return self._items[key]

    def owners(self, key: bytes) -> Owners:
        """Return the labels of a block's elements; change them by `own` alone."""
        if key not in self._owners:
            self.load([key])
        return self._owners[key]

    def put(self, key: bytes, position: Position, item: Item) -> None:
        """Set an element of a row.

        Raises:
            Conflict: merged branches disagree about the row, which is one of a block.
        """
        items = self.items(key)
        if key in self._disputed:
            raise Conflict("merged branches disagree about a block into which an element has to go: post that block")
        if items.get(position) != item:
            items[position] = item
            self._changed.add(key)

    def drop(self, key: bytes, position: Position) -> Item | None:
        """Take an element out of a row; returns it."""
        item = self.items(key).pop(position, None)
        if item is not None:
            self._changed.add(key)
        return item

    def own(self, key: bytes, position: Position, label: int) -> None:
        """Set the label of an element; 0 for none."""
        owners = self.owners(key)
        if owners.get(position, 0) == label:
            return
        if label:
            owners[position] = label
        else:
            del owners[position]
        self._changed.add(key)

    def replace(self, key: bytes, items: Items) -> None:
        """Set a whole row, whatever it was."""
        self._items[key] = items
        self._there.add(key)
        self._changed.add(key)

    def write(self) -> None:
        """Put what was changed into the unit. An emptied block stays as an empty row; other empty rows go.

        Raises:
            TooLarge: the unit is over its limit.
        """
        keys, values = [], []
        for key in self._changed:
            row = self._owners[key] if key[:1] == OWNERS else self._items[key]
            if row or key[:1] == BLOCK:
                keys.append(key)
                values.append(encode_owners(self._owners[key]) if key[:1] == OWNERS else encode_row(self._items[key]))
            elif key in self._there:
                self._txn.delete(key)
        self._txn.put_many(keys, values)
        self._changed.clear()

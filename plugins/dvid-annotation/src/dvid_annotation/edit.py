"""One mutation of elements: the rows that it works on, and what it does to labels."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from dvid_annotation.keys import BLOCK, OWNERS, Triple, block_keys, cell_keys, label_prefix, tag_prefix
from dvid_annotation.label_changes import LabelChanges
from dvid_annotation.model import Item, Parsed, Position, is_alike, tags_of, without_relations
from dvid_annotation.rows import Rows

__all__ = ["Edit", "Home"]


class Home(NamedTuple):
    """Where an element is kept: the keys of its block, and of the cell of that for indices."""

    block: bytes
    cell: bytes


@dataclass
class Edit:
    """What operations change.

    Attributes:
        rows: the stored rows.
        block_size: voxels of a block along x, y, z.
        find_labels: returns the labels at places; None where there are no synced labels.
        changes: what happened to labels.
    """

    rows: Rows
    block_size: Triple
    find_labels: Callable[[Sequence[Position]], Sequence[int]] | None
    changes: LabelChanges = field(default_factory=LabelChanges)

    def homes_of(self, positions: Sequence[Position]) -> list[Home]:
        """Return where elements at places are kept, in their order."""
        if not positions:
            return []
        blocks = np.array(positions, np.int64) // np.array(self.block_size, np.int64)
        return list(map(Home, block_keys(blocks), cell_keys(blocks)))

    def labels_of(self, positions: Sequence[Position], homes: Sequence[Home]) -> list[int]:
        """Return the labels at places; without synced labels those in whose lists they stand already."""
        if self.find_labels is not None:
            return list(self.find_labels(positions))
        return [self.owner_of(position, home.cell) for position, home in zip(positions, homes, strict=True)]

    def owner_of(self, position: Position, cell: bytes) -> int:
        """Return the label in whose list an element stands; 0 for none."""
        return self.rows.owners(OWNERS + cell).get(position, 0)

    def load_homes(self, homes: Iterable[Home]) -> None:
        """Read the elements of blocks, and the labels of their cells."""
        names = list(homes)
        self.rows.load([BLOCK + home.block for home in names] + [OWNERS + home.cell for home in names])

    def load_indices(self, tags: Iterable[tuple[str, bytes]], labels: Iterable[tuple[int, bytes]]) -> None:
        """Read what indices have of cells: of tags, and of labels but 0."""
        keys = [tag_prefix(tag) + cell for tag, cell in tags]
        keys += [label_prefix(label) + cell for label, cell in labels if label]
        self.rows.load(keys)

    def put(self, element: Parsed, home: Home, label: int) -> None:
        """Set an element in its block and all indices, in place of the one that is there."""
        position, item, tags, short = element
        rows, (block, cell) = self.rows, home
        former = rows.items(BLOCK + block).get(position)
        if former is not None and not is_alike(former, item):
            for tag in tags_of(former):
                if tag not in tags:
                    rows.drop(tag_prefix(tag) + cell, position)
        rows.put(BLOCK + block, position, item)
        for tag in tags:
            rows.put(tag_prefix(tag) + cell, position, short)
        self.relist(position, cell, short, self.owner_of(position, cell), label)

    def relist(self, position: Position, cell: bytes, short: Item, before: int, label: int) -> None:
        """Put an element into the list of a label, and out of that of another one; both lists have been read.

        Args:
            position: where it is.
            cell: the key of its cell.
            short: the element without relationships.
            before: the label whose list it leaves; 0 for none.
            label: the label whose list has it since; 0 for none.
        """
        rows = self.rows
        gone = rows.drop(label_prefix(before) + cell, position) if before and before != label else None
        listed = rows.items(label_prefix(label) + cell).get(position) if label else None
        if label:
            rows.put(label_prefix(label) + cell, position, short)
        if self.owner_of(position, cell) == before:
            rows.own(OWNERS + cell, position, label)
        was = (short.kind, 0) if gone is None else (gone.kind, before)
        if listed is not None:
            self.changes.add(position, was, (was[0], 0))
            was = (listed.kind, label)
        self.changes.add(position, was, (short.kind, label))

    def take_out(self, position: Position, home: Home) -> Item | None:
        """Take an element out of its block and all indices; returns it."""
        rows, (block, cell) = self.rows, home
        item = rows.drop(BLOCK + block, position)
        if item is None:
            return None
        for tag in tags_of(item):
            rows.drop(tag_prefix(tag) + cell, position)
        self.relist(position, cell, without_relations(item), self.owner_of(position, cell), 0)
        return item

"""One mutation of elements: the rows that it works on, and what it does to labels."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from dvid_annotation.keys import BLOCK, OWNERS, Triple, block_keys, label_prefix, tag_prefix
from dvid_annotation.label_changes import LabelChanges
from dvid_annotation.model import Item, Parsed, Position, tags_of, without_relations
from dvid_annotation.rows import Rows

__all__ = ["Edit"]


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

    def blocks_of(self, positions: Sequence[Position]) -> list[bytes]:
        """Return the keys of the blocks in which places lie, in their order."""
        if not positions:
            return []
        return block_keys(np.array(positions, np.int64) // np.array(self.block_size, np.int64))

    def block_of(self, position: Position) -> bytes:
        """Return the key of the block in which a place lies."""
        return self.blocks_of([position])[0]

    def labels_of(self, positions: Sequence[Position], blocks: Sequence[bytes]) -> list[int]:
        """Return the labels at places; without synced labels those in whose lists they stand already."""
        if self.find_labels is not None:
            return list(self.find_labels(positions))
        pairs = zip(positions, blocks, strict=True)
        return [self.rows.owners(OWNERS + block).get(position, 0) for position, block in pairs]

    def load_blocks(self, blocks: Iterable[bytes]) -> None:
        """Read the elements of blocks and their labels."""
        names = list(dict.fromkeys(blocks))
        self.rows.load([prefix + block for prefix in (BLOCK, OWNERS) for block in names])

    def load_indices(self, tags: Iterable[tuple[str, bytes]], labels: Iterable[tuple[int, bytes]]) -> None:
        """Read what indices have of blocks: of tags, and of labels but 0."""
        keys = [tag_prefix(tag) + block for tag, block in tags]
        keys += [label_prefix(label) + block for label, block in labels if label]
        self.rows.load(keys)

    def put(self, element: Parsed, block: bytes, label: int) -> None:
        """Set an element in its block and all indices, in place of the one that is there."""
        position, item, tags = element
        rows, short = self.rows, without_relations(item)
        former = rows.items(BLOCK + block).get(position)
        if former is not None:
            for tag in tags_of(former):
                if tag not in tags:
                    rows.drop(tag_prefix(tag) + block, position)
        rows.put(BLOCK + block, position, item)
        for tag in tags:
            rows.put(tag_prefix(tag) + block, position, short)
        self.relist(position, block, short, rows.owners(OWNERS + block).get(position, 0), label)

    def relist(self, position: Position, block: bytes, short: Item, before: int, label: int) -> None:
        """Put an element into the list of a label, and out of that of another one; both lists have been read.

        Args:
            position: where it is.
            block: the key of its block.
            short: the element without relationships.
            before: the label whose list it leaves; 0 for none.
            label: the label whose list has it since; 0 for none.
        """
        rows = self.rows
        gone = rows.drop(label_prefix(before) + block, position) if before and before != label else None
        listed = rows.items(label_prefix(label) + block).get(position) if label else None
        if label:
            rows.put(label_prefix(label) + block, position, short)
        if rows.owners(OWNERS + block).get(position, 0) == before:
            rows.own(OWNERS + block, position, label)
        was = (short.kind, 0) if gone is None else (gone.kind, before)
        if listed is not None:
            self.changes.add(position, was, (was[0], 0))
            was = (listed.kind, label)
        self.changes.add(position, was, (short.kind, label))

    def take_out(self, position: Position, block: bytes) -> Item | None:
        """Take an element out of its block and all indices; returns it."""
        rows = self.rows
        item = rows.drop(BLOCK + block, position)
        if item is None:
            return None
        for tag in tags_of(item):
            rows.drop(tag_prefix(tag) + block, position)
        before = rows.owners(OWNERS + block).get(position, 0)
        self.relist(position, block, without_relations(item), before, 0)
        return item

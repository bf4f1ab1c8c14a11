"""What mutations of labels do to the lists of labels.

The labels at the elements that a mutation may have touched are asked for anew. What is answered may be later than the
mutation, and then the later mutations ask again; so each list is right once all are taken in, whatever came between.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from dvid_annotation.edit import Edit
from dvid_annotation.keys import (
    BLOCK,
    BLOCK_BYTES,
    OWNERS,
    Triple,
    after,
    block_coordinates,
    block_keys,
    cell_keys,
    label_prefix,
)
from dvid_annotation.model import Coordinates, Item, Position, without_relations
from dvid_framework.api import View

__all__ = ["Found", "Touched", "found_in", "relabel", "touched_by"]

_MANY_BLOCKS = 4096


class Found(NamedTuple):
    """An element in the list of a label.

    Attributes:
        position: where it is.
        cell: the key of its cell.
        item: the element without relationships.
        label: the label; 0 for none.
    """

    position: Position
    cell: bytes
    item: Item
    label: int


@dataclass
class Touched:
    """What a mutation of labels may have touched.

    Attributes:
        blocks: the blocks (x, y, z) whose voxels were written.
        bodies: bodies that lost something, each with the blocks in which they did; None for anywhere.
        target: the body that has all that those bodies lost; 0 where that has to be asked.
    """

    blocks: list[Coordinates] = field(default_factory=list)
    bodies: list[tuple[int, Coordinates | None]] = field(default_factory=list)
    target: int = 0

    def __bool__(self) -> bool:
        return bool(self.blocks or self.bodies)


def touched_by(entries: Sequence[dict[str, Any]]) -> Touched:
    """Return what a mutation may have touched, by its entries as a label type emits them."""
    touched = Touched()
    for entry in entries:
        action = entry["Action"]
        if action in ("blocks", "ingest-blocks"):
            if entry["Scale"] == 0:
                touched.blocks.append(_blocks(entry["Blocks"]))
        elif action == "merge-complete":
            touched.bodies += [(label, None) for label in entry["Labels"]]
            touched.target = entry["Target"]
        elif action == "renumber-complete":
            touched.bodies.append((entry["OrigLabel"], None))
            touched.target = entry["NewLabel"]
        elif action == "unsplit-complete":
            touched.bodies.append((entry["NewLabel"], None))
            touched.target = entry["Target"]
        elif action in ("cleave-complete", "split-complete"):
            body = entry["OrigLabel" if action == "cleave-complete" else "Target"]
            touched.bodies.append((body, _blocks(entry["_Blocks"]) if "_Blocks" in entry else None))
    if len(entries) > 1:
        touched.target = 0
    return touched


def _blocks(packed: bytes) -> Coordinates:
    return np.frombuffer(packed, "<i4").reshape(-1, 3).astype(np.int64)


def found_in(edit: Edit, view: View, touched: Touched, block_size: Triple) -> list[Found]:
    """Return the elements that a mutation may have touched, each with the list in which it stands.

    Args:
        edit: takes the rows that are read.
        view: the elements.
        touched: what was touched.
        block_size: voxels of the blocks that the mutation names.
    """
    found: dict[tuple[Position, int], Found] = {}
    for blocks in touched.blocks:
        keys = _block_keys(blocks, block_size, edit.block_size)
        for one in _in_blocks(edit, _stored(view, keys)):
            found[one.position, one.label] = one
    for body, places in touched.bodies:
        prefix = label_prefix(body)
        if places is None:
            rows, within = list(view.keys(prefix, after(prefix))), None
        else:
            within = _block_keys(places, block_size, edit.block_size)
            rows = [prefix + cell for cell in dict.fromkeys(cell_keys(block_coordinates(within)))]
        for one in _in_lists(edit, rows, body, None if within is None else set(within)):
            found[one.position, one.label] = one
    return list(found.values())


def _in_blocks(edit: Edit, blocks: Sequence[bytes]) -> Iterator[Found]:
    edit.rows.load([BLOCK + block for block in blocks])
    items = [pair for block in blocks for pair in edit.rows.items(BLOCK + block).items()]
    homes = edit.homes_of([position for position, _ in items])
    edit.rows.load([OWNERS + home.cell for home in homes])
    for (position, item), home in zip(items, homes, strict=True):
        yield Found(position, home.cell, without_relations(item), edit.owner_of(position, home.cell))


def _in_lists(edit: Edit, rows: Sequence[bytes], body: int, within: set[bytes] | None) -> Iterator[Found]:
    """Yield the elements of rows of the list of a body, all or those in some blocks."""
    edit.rows.load(rows)
    for row in rows:
        items, cell = edit.rows.items(row), row[-BLOCK_BYTES:]
        homes = None if within is None else edit.homes_of(list(items))
        for number, (position, item) in enumerate(items.items()):
            if within is None or homes is None or homes[number].block in within:
                yield Found(position, cell, item, body)


def _block_keys(blocks: Coordinates, block_size: Triple, own_size: Triple) -> list[bytes]:
    """Return the keys of the own blocks that blocks of another size touch."""
    if block_size == own_size:
        return block_keys(blocks)
    theirs, ours = np.array(block_size), np.array(own_size)
    first, last = blocks * theirs // ours, ((blocks + 1) * theirs - 1) // ours
    count = (last - first).max(axis=0, initial=0) + 1
    steps = np.stack(np.meshgrid(*(np.arange(n) for n in count), indexing="ij"), axis=-1).reshape(-1, 3)
    every = (first[:, None] + steps[None]).reshape(-1, 3)
    inside = (every <= np.repeat(last, len(steps), axis=0)).all(axis=1)
    return list(dict.fromkeys(block_keys(every[inside])))


def _stored(view: View, keys: list[bytes]) -> list[bytes]:
    """Return those of many keys of blocks that hold elements."""
    if len(keys) <= _MANY_BLOCKS:
        return keys
    wanted = set(keys)
    there = view.keys(BLOCK + min(keys), BLOCK + max(keys) + b"\x00")
    return [key[1:] for key in there if key[1:] in wanted]


def relabel(edit: Edit, found: Sequence[Found], labels: Iterable[int]) -> None:
    """Put elements into the lists of labels, and out of those in which they were found."""
    moves = [(one, label) for one, label in zip(found, labels, strict=True) if one.label != label]
    pairs = [(label, one.cell) for one, new in moves for label in (one.label, new)]
    edit.rows.load([OWNERS + one.cell for one, _ in moves])
    edit.load_indices((), pairs)
    for one, label in moves:
        edit.relist(*one, label)

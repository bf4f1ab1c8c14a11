"""Posting what blocks and labels hold as whole lists, which leaves everything else as it is until a reload."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from secrets import token_bytes

import numpy as np

from dvid_annotation.edit import Edit
from dvid_annotation.keys import BLOCK, OWNERS, STALE, Triple, after, block_keys, label_prefix
from dvid_annotation.model import Items, Parsed
from dvid_framework.api import BadRequest, Txn, View

__all__ = ["block_of_name", "name_of_block", "post_block_lists", "post_label_lists"]

_NAME = re.compile(r"\s*([+-]?\d{1,10}),\s*([+-]?\d{1,10}),\s*([+-]?\d{1,10})", re.ASCII)


def block_of_name(name: str) -> Triple:
    """Parse `x,y,z`, a block; what follows is passed over.

    Raises:
        BadRequest: it doesn't begin with three integers of 32 bits.
    """
    found = _NAME.match(name)
    numbers = tuple(map(int, found.groups())) if found else ()
    if len(numbers) != 3 or not all(-(1 << 31) <= number < 1 << 31 for number in numbers):
        raise BadRequest(f"{name[:40]!r} names no block: it must be three integers of 32 bits, as in 0,-1,2")
    x, y, z = numbers
    return x, y, z


def name_of_block(block: Sequence[int]) -> str:
    """Return `x,y,z`."""
    return ",".join(map(str, block))


def post_block_lists(edit: Edit, txn: Txn, lists: Mapping[str, list[Parsed]]) -> None:
    """Set the elements of blocks, wherever those elements are; tags, labels and followers learn nothing of it.

    Raises:
        BadRequest: a name is none of a block.
    """
    blocks = {block_of_name(name): elements for name, elements in lists.items()}
    if not blocks:
        return
    for key, elements in zip(block_keys(np.array(list(blocks), np.int64)), blocks.values(), strict=True):
        edit.rows.replace(BLOCK + key, {element.pos: element.item for element in elements})
    _mark_stale(txn)


def post_label_lists(edit: Edit, view: View, txn: Txn, lists: Mapping[int, list[Parsed]]) -> None:
    """Set the lists of labels; label 0 has none. Blocks, tags and other labels stay as they are."""
    for label, elements in lists.items():
        if label:
            _set_list(edit, view, label, {element.pos: element.short for element in elements})
    if lists:
        _mark_stale(txn)


def _set_list(edit: Edit, view: View, label: int, wanted: Items) -> None:
    rows, prefix = edit.rows, label_prefix(label)
    rows.load(view.keys(prefix, after(prefix)))
    stale = [(key, position) for key in view.keys(prefix, after(prefix)) for position in rows.items(key)]
    for key, position in stale:
        if position in wanted:
            continue
        item = rows.drop(key, position)
        assert item is not None
        owners = OWNERS + key[len(prefix) :]
        if rows.owners(owners).get(position) == label:
            rows.own(owners, position, 0)
        edit.changes.add(position, (item.kind, label), (item.kind, 0))
    cells = [home.cell for home in edit.homes_of(list(wanted))]
    rows.load([prefix + cell for cell in cells] + [OWNERS + cell for cell in cells])
    for (position, item), cell in zip(wanted.items(), cells, strict=True):
        former = rows.items(prefix + cell).get(position)
        before = (item.kind, 0) if former is None else (former.kind, label)
        rows.put(prefix + cell, position, item)
        rows.own(OWNERS + cell, position, label)
        edit.changes.add(position, before, (item.kind, label))


def _mark_stale(txn: Txn) -> None:
    txn.put(STALE, token_bytes(16))  # another one each time: a reload that began before does not remove it

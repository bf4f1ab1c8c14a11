"""Posting, deleting and moving elements."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from dvid_annotation.codec import stored
from dvid_annotation.edit import Edit
from dvid_annotation.keys import BLOCK, OWNERS
from dvid_annotation.model import Element, Item, Parsed, Position, Relation, tags_of
from dvid_framework.api import BadRequest

__all__ = ["delete_element", "move_element", "post_elements"]

_decode = msgspec.json.Decoder(Element).decode


def post_elements(edit: Edit, elements: Sequence[Parsed]) -> None:
    """Add elements, each in place of the one that is where it is; of several at one place the last counts."""
    wanted = {element.pos: element for element in elements}
    positions = list(wanted)
    blocks = edit.blocks_of(positions)
    edit.load_blocks(blocks)
    labels = edit.labels_of(positions, blocks)
    tags: set[tuple[str, bytes]] = set()
    owners: set[tuple[int, bytes]] = set()
    for position, block, label in zip(positions, blocks, labels, strict=True):
        former = edit.rows.items(BLOCK + block).get(position)
        tags.update((tag, block) for tag in wanted[position].tags)
        if former is not None:
            tags.update((tag, block) for tag in tags_of(former))
        owners.add((label, block))
        owners.add((edit.rows.owners(OWNERS + block).get(position, 0), block))
    edit.load_indices(tags, owners)
    for position, block, label in zip(positions, blocks, labels, strict=True):
        edit.put(wanted[position], block, label)


def delete_element(edit: Edit, position: Position) -> None:
    """Delete an element, and relationships with it in its own block and in those of its partners.

    Raises:
        BadRequest: there is none.
    """
    block = edit.block_of(position)
    item = edit.take_out(position, block)
    if item is None:
        raise _nothing_at(position)
    _redirect(edit, {block, *_partner_blocks(edit, item)}, position, None)


def move_element(edit: Edit, source: Position, target: Position) -> None:
    """Move an element, and have its partners point to its new place; it takes the place of one that is there.

    Raises:
        BadRequest: there is none.
    """
    here, there = edit.blocks_of([source, target])
    edit.load_blocks([here, there])
    if source not in edit.rows.items(BLOCK + here):
        raise _nothing_at(source)
    if source == target:
        return
    (label,) = edit.labels_of([target], [there])
    before = edit.rows.owners(OWNERS + here).get(source, 0)
    if edit.find_labels is None:
        label = before
    item = edit.take_out(source, here)
    assert item is not None
    edit.take_out(target, there)
    element = _decode(item.text)
    element.pos = target
    edit.put(stored(element), there, label)
    _redirect(edit, {here, there, *_partner_blocks(edit, item)}, source, target)


def _nothing_at(position: Position) -> BadRequest:
    x, y, z = position
    return BadRequest(f"there is no element at {x}_{y}_{z}")


def _partner_blocks(edit: Edit, item: Item) -> list[bytes]:
    return edit.blocks_of([relation.to for relation in _decode(item.text).rels or ()])


def _redirect(edit: Edit, blocks: Iterable[bytes], position: Position, target: Position | None) -> None:
    """Have relationships in blocks that point to a place point to another one, or remove them."""
    names = list(blocks)
    edit.rows.load([BLOCK + block for block in names])
    wanted = b'"To":[%d,%d,%d]' % position
    for block in names:
        for place, item in list(edit.rows.items(BLOCK + block).items()):
            if wanted in item.text[item.head :]:
                element = _decode(item.text)
                element.rels = _redirected(element.rels or [], position, target)
                edit.rows.put(BLOCK + block, place, stored(element).item)


def _redirected(relations: list[Relation], position: Position, target: Position | None) -> list[Relation]:
    if target is None:
        return [relation for relation in relations if relation.to != position]
    return [Relation(relation.rel, target) if relation.to == position else relation for relation in relations]

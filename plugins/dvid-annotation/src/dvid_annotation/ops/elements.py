"""Posting, deleting and moving elements."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from dvid_annotation.codec import stored
from dvid_annotation.edit import Edit
from dvid_annotation.keys import BLOCK
from dvid_annotation.model import Element, Item, Parsed, Position, Relation, is_alike, tags_of
from dvid_framework.api import BadRequest

__all__ = ["delete_element", "move_element", "post_elements"]

_decode = msgspec.json.Decoder(Element).decode


def post_elements(edit: Edit, elements: Sequence[Parsed]) -> None:
    """Add elements, each in place of the one that is where it is; of several at one place the last counts."""
    wanted = {element.pos: element for element in elements}
    positions = list(wanted)
    homes = edit.homes_of(positions)
    edit.load_homes(homes)
    labels = edit.labels_of(positions, homes)
    tags: set[tuple[str, bytes]] = set()
    owners: set[tuple[int, bytes]] = set()
    for position, (block, cell), label in zip(positions, homes, labels, strict=True):
        former = edit.rows.items(BLOCK + block).get(position)
        tags.update([(tag, cell) for tag in wanted[position].tags])
        if former is not None and not is_alike(former, wanted[position].item):
            tags.update([(tag, cell) for tag in tags_of(former)])
        owners.update(((label, cell), (edit.owner_of(position, cell), cell)))
    edit.load_indices(tags, owners)
    for position, home, label in zip(positions, homes, labels, strict=True):
        edit.put(wanted[position], home, label)


def delete_element(edit: Edit, position: Position) -> None:
    """Delete an element, and relationships with it in its own block and in those of its partners.

    Raises:
        BadRequest: there is none.
    """
    (home,) = edit.homes_of([position])
    item = edit.take_out(position, home)
    if item is None:
        raise _nothing_at(position)
    _redirect(edit, {home.block, *_partner_blocks(edit, item)}, position, None)


def move_element(edit: Edit, source: Position, target: Position) -> None:
    """Move an element, and have its partners point to its new place; it takes the place of one that is there.

    Raises:
        BadRequest: there is none.
    """
    here, there = edit.homes_of([source, target])
    edit.load_homes([here, there])
    if source not in edit.rows.items(BLOCK + here.block):
        raise _nothing_at(source)
    if source == target:
        return
    (label,) = edit.labels_of([target], [there])
    if edit.find_labels is None:
        label = edit.owner_of(source, here.cell)
    item = edit.take_out(source, here)
    assert item is not None
    edit.take_out(target, there)
    element = _decode(item.text)
    element.pos = target
    element.rels = _redirected(element.rels or [], source, target)
    edit.put(stored(element), there, label)
    _redirect(edit, {here.block, *_partner_blocks(edit, item)}, source, target)


def _nothing_at(position: Position) -> BadRequest:
    x, y, z = position
    return BadRequest(f"there is no element at {x}_{y}_{z}")


def _partner_blocks(edit: Edit, item: Item) -> list[bytes]:
    return [home.block for home in edit.homes_of([relation.to for relation in _decode(item.text).rels or ()])]


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

"""What an annotation is made of."""

from __future__ import annotations

from typing import Annotated, Any, Literal, NamedTuple, TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray

__all__ = [
    "BLOCK_SIZE",
    "KINDS",
    "MOST_TAG_BYTES",
    "AnnotationSettings",
    "Coordinates",
    "Element",
    "Item",
    "Items",
    "Owners",
    "Parsed",
    "Position",
    "Relation",
    "is_alike",
    "tags_of",
    "without_relations",
]

BLOCK_SIZE = (64, 64, 64)
"""Voxels of a block along x, y, z where nothing else is known."""
KINDS = ("Unknown", "PostSyn", "PreSyn", "Gap", "Note")
"""The kinds of elements; their places are their stored numbers."""
MOST_TAG_BYTES = 1024
"""Bytes of a tag."""

_Coordinate = Annotated[int, msgspec.Meta(ge=-(1 << 31), le=(1 << 31) - 1)]
Position: TypeAlias = tuple[_Coordinate, _Coordinate, _Coordinate]
"""A voxel: x, y, z."""
Coordinates: TypeAlias = NDArray[np.int64]
"""Shape (n, 3): x, y, z of voxels or blocks."""
_Kind = Literal["Unknown", "PostSyn", "PreSyn", "Gap", "Note"]
_Relationship = Literal["UnknownRelationship", "PostSynTo", "PreSynTo", "ConvergentTo", "GroupedWith"]
_Tag = Annotated[str, msgspec.Meta(min_length=1)]


class Relation(msgspec.Struct, rename="pascal", forbid_unknown_fields=True):
    """A relationship with whatever is at another place."""

    rel: _Relationship = "UnknownRelationship"
    to: Position = (0, 0, 0)


class Element(msgspec.Struct, rename="pascal", forbid_unknown_fields=True):
    """An element as JSON has it."""

    pos: Position = (0, 0, 0)
    kind: _Kind = "Unknown"
    tags: list[_Tag] | None = None
    prop: dict[str, str] | None = None
    rels: list[Relation] | None = None


class Item(NamedTuple):
    """An element as it is stored.

    Attributes:
        kind: index into `KINDS`.
        text: its JSON; in an index without relationships.
        head: bytes of `text` before its relationships, or before its last brace where it has none.
    """

    kind: int
    text: bytes
    head: int


Items: TypeAlias = dict[Position, Item]
Owners: TypeAlias = dict[Position, int]
"""The labels in whose lists elements stand, by their places."""


class Parsed(NamedTuple):
    """An element of a request, checked.

    Attributes:
        pos: where it is.
        item: as its block has it.
        tags: its tags, each once.
        short: as indices have it, without relationships.
    """

    pos: Position
    item: Item
    tags: tuple[str, ...]
    short: Item


class AnnotationSettings(msgspec.Struct):
    """Settings of an instance.

    Attributes:
        block_size: voxels of a block along x, y, z; None until elements are stored. No client sets it.
    """

    block_size: tuple[int, int, int] | None = None


class _Tagged(msgspec.Struct, rename="pascal"):
    tags: list[str] = []


_tagged = msgspec.json.Decoder(_Tagged).decode


def tags_of(item: Item) -> tuple[str, ...]:
    """Return the tags of a stored element, each once."""
    return tuple(dict.fromkeys(_tagged(item.text[: item.head] + b"}").tags))


def is_alike(one: Item, other: Item) -> bool:
    """Tell whether two elements differ in their relationships at most."""
    return one.head == other.head and one.text[: one.head] == other.text[: one.head]


def without_relations(item: Item) -> Item:
    """Return an element as indices have it."""
    kind, text, head = item
    return item if len(text) == head + 1 else Item(kind, text[:head] + b"}", head)


def decode_element(item: Item) -> Any:
    """Return the fields of a stored element."""
    return msgspec.json.decode(item.text)

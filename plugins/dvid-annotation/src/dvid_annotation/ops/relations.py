"""Lists of elements with their relationships, which the blocks have."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
import numpy as np

from dvid_annotation.batches import batched
from dvid_annotation.keys import BLOCK, Triple, after, block_keys
from dvid_annotation.model import Item, Items, Position
from dvid_annotation.stored import Row
from dvid_framework.api import View

__all__ = ["listed_as_in_blocks", "listed_with_partners"]

_AT_ONCE = 1024
_KEPT_BLOCKS = 512
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


class _Blocks:
    """Blocks read lately, by their keys."""

    def __init__(self, view: View, block_size: Triple) -> None:
        self._view = view
        self._size = np.array(block_size, np.int64)
        self._kept: OrderedDict[bytes, Items] = OrderedDict()

    def keys_of(self, positions: Sequence[Position]) -> list[bytes]:
        """Return the keys of the blocks in which places lie."""
        return block_keys(np.array(positions, np.int64).reshape(-1, 3) // self._size)

    def load(self, keys: Sequence[bytes]) -> dict[bytes, Items]:
        """Return blocks."""
        wanted = list(dict.fromkeys(keys))
        found = {key: self._kept[key] for key in wanted if key in self._kept}
        missing = [key for key in wanted if key not in found]
        for some in batched(missing, _KEPT_BLOCKS):
            for key, value in zip(some, self._view.multi_get([BLOCK + key for key in some]), strict=True):
                found[key] = self._kept[key] = {} if value is None else Row(value).items()
        for key in wanted:
            self._kept.move_to_end(key)
        while len(self._kept) > _KEPT_BLOCKS:
            self._kept.popitem(last=False)
        return found


def _lists(view: View, prefix: bytes, blocks: _Blocks) -> Iterator[list[tuple[Position, Item, Item | None]]]:
    """Yield what an index lists, some at a time: place, element of the index, and of its block if that holds it."""
    for _, value in view.scan(prefix, after(prefix)):
        for some in batched(Row(value).items().items(), _AT_ONCE):
            names = blocks.keys_of([position for position, _ in some])
            homes = blocks.load(names)
            yield [(at, item, homes[name].get(at)) for (at, item), name in zip(some, names, strict=True)]


def listed_as_in_blocks(view: View, prefix: bytes, block_size: Triple) -> Iterator[bytes | memoryview]:
    """Yield the elements that an index lists as blocks hold them, some at a time; others are left out."""
    for found in _lists(view, prefix, _Blocks(view, block_size)):
        yield b",".join([whole.text for _, _, whole in found if whole is not None])


def listed_with_partners(view: View, prefix: bytes, block_size: Triple) -> Iterator[bytes | memoryview]:
    """Yield the elements that an index lists, some at a time, each relationship with what is known of the partner."""
    blocks = _Blocks(view, block_size)
    for found in _lists(view, prefix, blocks):
        relations = [_relations(whole) for _, _, whole in found]
        partners = _partners(blocks, [relation["To"] for some in relations for relation in some])
        texts = []
        for (_, item, _), some in zip(found, relations, strict=True):
            told = [{**relation, **partners.get(tuple(relation["To"]), {})} for relation in some]
            texts.append(item.text[: item.head] + b',"Rels":' + _encode(told) + b"}")
        yield b",".join(texts)


def _relations(whole: Item | None) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [] if whole is None else _decode(whole.text)["Rels"]
    return found


def _partners(blocks: _Blocks, places: Sequence[Sequence[int]]) -> dict[tuple[int, ...], dict[str, Any]]:
    """Return what is told of the elements at places: Kind, Tags and Prop, without those that are empty."""
    positions = list(dict.fromkeys((x, y, z) for x, y, z in places))
    homes = blocks.keys_of(positions)
    found: dict[tuple[int, ...], dict[str, Any]] = {}
    for some in batched(zip(positions, homes, strict=True), _KEPT_BLOCKS):
        loaded = blocks.load([home for _, home in some])
        for position, home in some:
            item = loaded[home].get(position)
            if item is not None:
                found[position] = _told(_decode(item.text))
    return found


def _told(element: dict[str, Any]) -> dict[str, Any]:
    told = {name: element[name] for name in ("Kind", "Tags", "Prop") if element[name]}
    if told["Kind"] == "Unknown":
        del told["Kind"]
    return told

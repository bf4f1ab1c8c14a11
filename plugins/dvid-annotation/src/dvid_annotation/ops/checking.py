"""Whether the indices say what the blocks say: for `dvid fsck`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from dvid_annotation.batches import batched
from dvid_annotation.keys import BLOCK, BLOCK_BYTES, LABEL, OWNERS, STALE, TAG, label_of, tag_of
from dvid_annotation.model import Item, Items, Owners, Position, tags_of, without_relations
from dvid_annotation.stored import Row, decode_owners
from dvid_framework.api import View

__all__ = ["wrong_rows"]

_AT_ONCE = 256


def wrong_rows(view: View) -> Iterator[str]:
    """Yield a sentence for each row of an index that differs from its block, and each element that none lists.

    Where whole lists were posted the indices may say what they like until a reload, and nothing is checked.
    """
    if STALE in view:
        return
    tags: dict[bytes, int] = {}
    labels: dict[bytes, int] = {}
    for prefix, counts in ((TAG, tags), (LABEL, labels)):
        for rows in batched(view.scan(prefix, bytes([prefix[0] + 1])), _AT_ONCE):
            yield from _wrong_lists(view, rows, counts)
    for rows in batched(view.scan(BLOCK, bytes([BLOCK[0] + 1])), _AT_ONCE):
        yield from _unlisted(view, rows, tags, labels)


def _owners(view: View, blocks: Iterable[bytes]) -> dict[bytes, Owners]:
    keys = [OWNERS + block for block in dict.fromkeys(blocks)]
    values = zip(keys, view.multi_get(keys), strict=True)
    return {key[1:]: {} if value is None else decode_owners(value) for key, value in values}


def _blocks(view: View, blocks: Iterable[bytes]) -> dict[bytes, Items]:
    keys = [BLOCK + block for block in dict.fromkeys(blocks)]
    values = zip(keys, view.multi_get(keys), strict=True)
    return {key[1:]: {} if value is None else Row(value).items() for key, value in values}


def _wrong_lists(view: View, rows: list[tuple[bytes, memoryview]], counts: dict[bytes, int]) -> Iterator[str]:
    names = [key[-BLOCK_BYTES:] for key, _ in rows]
    blocks, owners = _blocks(view, names), _owners(view, names)
    for (key, value), block in zip(rows, names, strict=True):
        listed = Row(value).items()
        counts[block] = counts.get(block, 0) + len(listed)
        for position, item in listed.items():
            whole = blocks[block].get(position)
            if not _is_right(key, item, whole, owners[block].get(position, 0)):
                yield f"{_name(key)} lists an element at {_place(position)} that its block does not say"


def _is_right(key: bytes, item: Item, whole: Item | None, owner: int) -> bool:
    if whole is None or item != without_relations(whole):
        return False
    return tag_of(key) in tags_of(whole) if key[:1] == TAG else owner == label_of(key)


def _unlisted(
    view: View, rows: list[tuple[bytes, memoryview]], tags: dict[bytes, int], labels: dict[bytes, int]
) -> Iterator[str]:
    owners = _owners(view, [key[1:] for key, _ in rows])
    for key, value in rows:
        block, items = key[1:], Row(value).items()
        wanted = sum(len(tags_of(item)) for item in items.values())
        if tags.get(block, 0) < wanted:
            yield f"of {wanted} tags in {_name(key)} only {tags.get(block, 0)} are listed"
        if labels.get(block, 0) < len(owners[block]):
            yield f"of {len(owners[block])} labels in {_name(key)} only {labels.get(block, 0)} list their elements"
        for position in owners[block].keys() - items.keys():
            yield f"{_name(key)} has a label for {_place(position)}, where there is no element"


def _place(position: Position) -> str:
    return "_".join(map(str, position))


def _name(key: bytes) -> str:
    if key[:1] == TAG:
        return f"the tag {tag_of(key)!r}"
    if key[:1] == LABEL:
        return f"the label {label_of(key)}"
    return f"the block {key[1:].hex()}"

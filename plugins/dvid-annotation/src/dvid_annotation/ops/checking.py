"""Whether the indices say what the blocks say: for `dvid fsck`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

import numpy as np

from dvid_annotation.batches import batched
from dvid_annotation.keys import (
    BLOCK,
    BLOCK_BYTES,
    LABEL,
    OWNERS,
    STALE,
    TAG,
    Triple,
    block_coordinates,
    block_keys,
    cell_keys,
    label_of,
    tag_of,
)
from dvid_annotation.model import Coordinates, Item, Position, tags_of, without_relations
from dvid_annotation.stored import Row, decode_owners
from dvid_framework.api import View

__all__ = ["wrong_rows"]

_AT_ONCE = 64


def wrong_rows(view: View, block_size: Triple) -> Iterator[str]:
    """Yield a sentence for each element that an index lists and no block says, and each cell that has too few listed.

    Where whole lists were posted the indices may say what they like until a reload, and nothing is checked.
    """
    if STALE in view:
        return
    size = np.array(block_size, np.int64)
    listed: Counter[bytes] = Counter()
    for prefix in (TAG, LABEL):
        for rows in batched(view.scan(prefix, bytes([prefix[0] + 1])), _AT_ONCE):
            yield from _wrong_lists(view, rows, size, listed)
    said: Counter[bytes] = Counter()
    for key, value in view.scan(BLOCK, bytes([BLOCK[0] + 1])):
        (cell,) = cell_keys(block_coordinates([key]))
        said[TAG + cell] += sum(len(tags_of(item)) for item in Row(value).items().values())
    for key, value in view.scan(OWNERS, bytes([OWNERS[0] + 1])):
        said[LABEL + key[1:]] += len(decode_owners(value))
    for name in said | listed:
        if said[name] != listed[name]:
            what = "tags" if name[:1] == TAG else "labels"
            yield f"the cell {name[1:].hex()} has {said[name]} {what} of elements, and {listed[name]} are listed"


def _wrong_lists(
    view: View, rows: list[tuple[bytes, memoryview]], size: Coordinates, listed: Counter[bytes]
) -> Iterator[str]:
    decoded = [(key, Row(value)) for key, value in rows]
    homes = [block_keys(row.positions.astype(np.int64) // size) for _, row in decoded]
    names = list({block for blocks in homes for block in blocks})
    blocks = _read(view, BLOCK, names)
    cells = _read(view, OWNERS, {key[-BLOCK_BYTES:] for key, _ in rows})
    items = {name: {} if value is None else Row(value).items() for name, value in blocks.items()}
    owners = {name: {} if value is None else decode_owners(value) for name, value in cells.items()}
    for (key, row), keys in zip(decoded, homes, strict=True):
        cell = key[-BLOCK_BYTES:]
        listed[key[:1] + cell] += len(row)
        for (position, item), block in zip(row.items().items(), keys, strict=True):
            if not _is_right(key, item, items[block].get(position), owners[cell].get(position, 0)):
                yield f"{_name(key)} lists an element at {_place(position)} that its block does not say"


def _read(view: View, prefix: bytes, names: Iterable[bytes]) -> dict[bytes, memoryview | None]:
    wanted = list(names)
    return dict(zip(wanted, view.multi_get([prefix + name for name in wanted]), strict=True))


def _is_right(key: bytes, item: Item, whole: Item | None, owner: int) -> bool:
    if whole is None or item != without_relations(whole):
        return False
    return tag_of(key) in tags_of(whole) if key[:1] == TAG else owner == label_of(key)


def _place(position: Position) -> str:
    return "_".join(map(str, position))


def _name(key: bytes) -> str:
    return f"the tag {tag_of(key)!r}" if key[:1] == TAG else f"the label {label_of(key)}"

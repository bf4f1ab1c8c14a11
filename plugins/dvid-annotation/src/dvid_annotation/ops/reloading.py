"""Making the indices what the blocks say, by a job, some blocks and rows at a time.

Reads go on meanwhile, and so do writes: each step holds the lock of the instance, and leaves what is right as it is.
First every block puts its elements into the lists of their tags and labels; then every list lets go what no block says.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, Any

from dvid_annotation.edit import Edit
from dvid_annotation.keys import (
    BLOCK,
    BLOCK_BYTES,
    LABEL,
    OWNERS,
    STALE,
    TAG,
    after,
    label_of,
    label_prefix,
    tag_of,
    tag_prefix,
)
from dvid_annotation.model import Parsed, Position, tags_of, without_relations
from dvid_framework.api import Conflict, Job, Step, Txn, VersionRecord, View

if TYPE_CHECKING:
    from dvid_annotation.instance import AnnotationInstance

__all__ = ["RELOAD_JOB", "reload_indices", "reload_steps"]

RELOAD_JOB = "reload"
_BLOCKS_AT_ONCE = 64
_ELEMENTS_AT_ONCE = 5000
_ROWS_AT_ONCE = 1000
_INDICES = (LABEL, TAG, OWNERS)
_Cursor = list[Any]


def reload_indices(instance: AnnotationInstance, job: Job) -> Iterator[Step]:
    """Do the job; its cursor is the mark of what was stale at first, the part, the last key, and blocks done."""
    assert job.version is not None
    yield from reload_steps(instance, job.version, job.cursor, job.user)


def reload_steps(
    instance: AnnotationInstance, version: VersionRecord, cursor: _Cursor | None = None, user: str = ""
) -> Iterator[Step]:
    """Make the indices of a version right, and yield where that may rest."""
    with instance.view(version) as view:
        total = sum(1 for _ in view.keys(BLOCK, after(BLOCK)))
        mark, part, last, done = cursor or (_mark(view), 0, b"", 0)
    steps: list[tuple[bytes, Callable[[Edit, View, bytes, bytes], tuple[bytes, int]]]] = [
        (BLOCK, _spread_blocks),
        *((prefix, _clean_rows) for prefix in _INDICES),
    ]
    for number, (prefix, work) in enumerate(steps[part:], part):
        while True:
            with _changing(instance, version, user) as (edit, view, _):
                last, count = work(edit, view, prefix, last)
            done += count if prefix == BLOCK else 0
            if not last:
                break
            yield Step([mark, number, last, done], done, total)
        last = b""
        yield Step([mark, number + 1, b"", done], done, total)
    with _changing(instance, version, user) as (_, view, txn):
        if mark and _mark(view) == mark:
            txn.delete(STALE)


def _mark(view: View) -> bytes:
    """Return the mark of what was posted as whole lists; empty where there is none."""
    try:
        return bytes(view.get(STALE) or b"")
    except Conflict:
        return b"conflict"


@contextmanager
def _changing(instance: AnnotationInstance, version: VersionRecord, user: str) -> Iterator[tuple[Edit, View, Txn]]:
    """Give the rows of a version to a step, and write what it changes."""
    with instance.lock, instance.view(version) as view, instance.begin(version, user=user) as txn:
        edit = instance.edit(view, txn, version, mending=True)
        yield edit, view, txn
        edit.rows.write()
        txn.mark_internal()
        if len(edit.changes):
            edit.changes.emit(txn, "reload")


def _spread_blocks(edit: Edit, view: View, prefix: bytes, last: bytes) -> tuple[bytes, int]:
    """Put the elements of the next blocks into all indices; returns the last key, empty if there is none."""
    keys = list(islice(view.keys(last + b"\x00" if last else prefix, after(prefix)), _BLOCKS_AT_ONCE))
    elements: dict[Position, tuple[Parsed, bytes]] = {}
    done = 0
    edit.load_blocks([key[1:] for key in keys])
    for key in keys:
        if len(elements) >= _ELEMENTS_AT_ONCE:
            break
        _take_in(edit, key[1:], elements)
        done += 1
    _index(edit, elements)
    return (keys[done - 1] if done and (done < len(keys) or len(keys) == _BLOCKS_AT_ONCE) else b""), done


def _take_in(edit: Edit, block: bytes, elements: dict[Position, tuple[Parsed, bytes]]) -> None:
    """Add the elements of a block; those that lie elsewhere go into the right block, unless it has one there."""
    items = dict(edit.rows.items(BLOCK + block))
    homes = edit.blocks_of(list(items))
    for (position, item), home in zip(items.items(), homes, strict=True):
        if home != block:
            edit.rows.drop(BLOCK + block, position)
            there = edit.rows.items(BLOCK + home)
            if position in there:
                continue
            edit.rows.put(BLOCK + home, position, item)
        elements[position] = Parsed(position, item, tags_of(item)), home


def _index(edit: Edit, elements: dict[Position, tuple[Parsed, bytes]]) -> None:
    positions = list(elements)
    blocks = [home for _, home in elements.values()]
    edit.rows.load([OWNERS + block for block in blocks])
    labels = edit.labels_of(positions, blocks) if edit.find_labels is not None else [0] * len(positions)
    tags = [(tag, block) for element, block in elements.values() for tag in element.tags]
    owned = [(edit.rows.owners(OWNERS + block).get(position, 0), block) for position, (_, block) in elements.items()]
    edit.load_indices(tags, [*owned, *zip(labels, blocks, strict=True)])
    for (element, block), label in zip(elements.values(), labels, strict=True):
        short = without_relations(element.item)
        for tag in element.tags:
            edit.rows.put(tag_prefix(tag) + block, element.pos, short)
        edit.relist(element.pos, block, short, edit.rows.owners(OWNERS + block).get(element.pos, 0), label)


def _clean_rows(edit: Edit, view: View, prefix: bytes, last: bytes) -> tuple[bytes, int]:
    """Take out of the next rows of an index what their blocks don't say; returns the last key, empty at the end."""
    keys = list(islice(view.keys(last + b"\x00" if last else prefix, _after_all(prefix)), _ROWS_AT_ONCE))
    blocks = [key[-BLOCK_BYTES:] for key in keys]
    edit.load_blocks(blocks)
    edit.rows.load(keys)
    for key, block in zip(keys, blocks, strict=True):
        if prefix == OWNERS:
            _clean_owners(edit, key, block)
        else:
            _clean_list(edit, key, block)
    return (keys[-1] if len(keys) == _ROWS_AT_ONCE else b""), len(keys)


def _after_all(prefix: bytes) -> bytes:
    """Return the first key behind all that begin with a letter."""
    return bytes([prefix[0] + 1])


def _clean_owners(edit: Edit, key: bytes, block: bytes) -> None:
    items = edit.rows.items(BLOCK + block)
    for position, label in list(edit.rows.owners(key).items()):
        if position not in items or position not in edit.rows.items(label_prefix(label) + block):
            edit.rows.own(key, position, 0)


def _clean_list(edit: Edit, key: bytes, block: bytes) -> None:
    items = edit.rows.items(BLOCK + block)
    for position, listed in list(edit.rows.items(key).items()):
        item = items.get(position)
        if key[:1] == TAG:
            right = item is not None and tag_of(key) in tags_of(item)
        else:
            label = label_of(key)
            owned = edit.rows.owners(OWNERS + block).get(position, 0) == label
            right = item is not None and owned
            if not right:
                edit.changes.add(position, (listed.kind, label), (listed.kind, 0))
                if owned:
                    edit.rows.own(OWNERS + block, position, 0)
        if not right:
            edit.rows.drop(key, position)

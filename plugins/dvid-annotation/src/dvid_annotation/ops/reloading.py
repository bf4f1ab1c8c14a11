"""Making the indices what the blocks say, by a job, some blocks and rows at a time.

Reads go on meanwhile, and so do writes: each step holds the lock of the instance, and leaves what is right as it is.
First every block puts its elements into the lists of their tags and labels; then every list lets go what no block says.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, Any

from dvid_annotation.edit import Edit, Home
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
from dvid_annotation.model import Item, Parsed, Position, tags_of, without_relations
from dvid_framework.api import Conflict, Job, Step, Txn, VersionRecord, View

if TYPE_CHECKING:
    from dvid_annotation.instance import AnnotationInstance

__all__ = ["RELOAD_JOB", "reload_indices", "reload_steps"]

RELOAD_JOB = "reload"
_BLOCKS_AT_ONCE = 1024
_ELEMENTS_AT_ONCE = 5000
_ROWS_AT_ONCE = 64
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
    elements: dict[Position, tuple[Parsed, Home]] = {}
    done = 0
    edit.rows.load(keys)
    for key in keys:
        if len(elements) >= _ELEMENTS_AT_ONCE:
            break
        _take_in(edit, key[1:], elements)
        done += 1
    _index(edit, elements)
    return (keys[done - 1] if done and (done < len(keys) or len(keys) == _BLOCKS_AT_ONCE) else b""), done


def _take_in(edit: Edit, block: bytes, elements: dict[Position, tuple[Parsed, Home]]) -> None:
    """Add the elements of a block; those that lie elsewhere go into the right block, unless it has one there."""
    items = dict(edit.rows.items(BLOCK + block))
    homes = edit.homes_of(list(items))
    for (position, item), home in zip(items.items(), homes, strict=True):
        if home.block != block:
            edit.rows.drop(BLOCK + block, position)
            there = edit.rows.items(BLOCK + home.block)
            if position in there:
                continue
            edit.rows.put(BLOCK + home.block, position, item)
        elements[position] = Parsed(position, item, tags_of(item), without_relations(item)), home


def _index(edit: Edit, elements: dict[Position, tuple[Parsed, Home]]) -> None:
    positions = list(elements)
    cells = [home.cell for _, home in elements.values()]
    edit.rows.load([OWNERS + cell for cell in cells])
    labels = list(edit.find_labels(positions)) if edit.find_labels is not None else [0] * len(positions)
    tags = [(tag, home.cell) for element, home in elements.values() for tag in element.tags]
    owned = [(edit.owner_of(position, cell), cell) for position, cell in zip(positions, cells, strict=True)]
    edit.load_indices(tags, [*owned, *zip(labels, cells, strict=True)])
    for (element, _), cell, label in zip(elements.values(), cells, labels, strict=True):
        for tag in element.tags:
            edit.rows.put(tag_prefix(tag) + cell, element.pos, element.short)
        edit.relist(element.pos, cell, element.short, edit.owner_of(element.pos, cell), label)


def _clean_rows(edit: Edit, view: View, prefix: bytes, last: bytes) -> tuple[bytes, int]:
    """Take out of the next rows of an index what their blocks don't say; returns the last key, empty at the end."""
    keys = list(islice(view.keys(last + b"\x00" if last else prefix, _after_all(prefix)), _ROWS_AT_ONCE))
    edit.rows.load([*keys, *(OWNERS + key[-BLOCK_BYTES:] for key in keys)])
    for key in keys:
        cell = key[-BLOCK_BYTES:]
        positions = list(edit.rows.owners(key) if prefix == OWNERS else edit.rows.items(key))
        homes = edit.homes_of(positions)
        edit.rows.load([BLOCK + home.block for home in homes])
        found = [edit.rows.items(BLOCK + home.block).get(p) for p, home in zip(positions, homes, strict=True)]
        clean = _clean_owners if prefix == OWNERS else _clean_list
        clean(edit, key, cell, zip(positions, found, strict=True))
    return (keys[-1] if len(keys) == _ROWS_AT_ONCE else b""), len(keys)


def _after_all(prefix: bytes) -> bytes:
    """Return the first key behind all that begin with a letter."""
    return bytes([prefix[0] + 1])


def _clean_owners(edit: Edit, key: bytes, cell: bytes, found: Iterable[tuple[Position, Item | None]]) -> None:
    for position, item in found:
        listed = edit.rows.items(label_prefix(edit.owner_of(position, cell)) + cell)
        if item is None or position not in listed:
            edit.rows.own(key, position, 0)


def _clean_list(edit: Edit, key: bytes, cell: bytes, found: Iterable[tuple[Position, Item | None]]) -> None:
    for position, item in found:
        if key[:1] == TAG:
            if item is None or tag_of(key) not in tags_of(item):
                edit.rows.drop(key, position)
            continue
        label = label_of(key)
        if item is None or edit.owner_of(position, cell) != label:
            gone = edit.rows.items(key)[position]
            edit.relist(position, cell, gone, label, 0)

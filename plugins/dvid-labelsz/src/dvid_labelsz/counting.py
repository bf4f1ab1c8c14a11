"""Taking changes into the counts and ranks of a version."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np

from dvid_framework.api import Txn, View
from dvid_labelsz.model import COUNTED, MOST, RANKED, SYNAPSES, Counts, Labels
from dvid_labelsz.ranks import (
    count_key,
    decode_counts,
    decode_rank,
    encode_counts,
    encode_rank,
    rank_key,
)

__all__ = ["add_changes", "by_type", "counts_of", "rows_of", "summed", "write_rows"]

_AT_ONCE = 4096


def summed(labels: Labels, columns: Sequence[int], steps: Sequence[int]) -> tuple[Labels, Counts]:
    """Return each label once, with how many more elements it has of each kind.

    Args:
        labels: uint64 (n,).
        columns: for each the kind, an index into `COUNTED`.
        steps: for each how many more.
    """
    names, places = np.unique(labels, return_inverse=True)
    total = np.zeros((len(names), len(COUNTED)), np.int64)
    np.add.at(total, (places, np.asarray(columns, np.int64)), np.asarray(steps, np.int64))
    return names, total


def counts_of(view: View, labels: Sequence[int]) -> Iterator[list[int]]:
    """Yield the counts of labels, in their order."""
    for at in range(0, len(labels), _AT_ONCE):
        some = labels[at : at + _AT_ONCE]
        keys = [count_key(label) for label in some]
        known: dict[bytes, dict[int, list[int]]] = {}
        names = list(dict.fromkeys(keys))
        for key, value in zip(names, view.multi_get(names), strict=True):
            known[key] = _counts(value)
        for key, label in zip(keys, some, strict=True):
            yield known[key].get(label, [0] * len(COUNTED))


def _counts(value: memoryview | None) -> dict[int, list[int]]:
    if value is None:
        return {}
    labels, counts = decode_counts(value)
    return dict(zip(labels.tolist(), counts.tolist(), strict=True))


def _rank(value: memoryview | None) -> dict[int, int]:
    if value is None:
        return {}
    labels, counts = decode_rank(value)
    return dict(zip(labels.tolist(), counts.tolist(), strict=True))


def by_type(counts: Sequence[int]) -> list[int]:
    """Return the counts of each type that labels are ranked by."""
    return [*counts, min(sum(counts[:SYNAPSES]), MOST)]


def add_changes(view: View, txn: Txn, labels: Labels, changes: Counts) -> None:
    """Add to the counts of labels, each named once; none falls below 0.

    Raises:
        TooLarge: the unit is over its limit.
    """
    kept = changes.any(axis=1) & (labels != 0)
    names, steps = labels[kept].tolist(), changes[kept].tolist()
    keys = [count_key(label) for label in names]
    rows = {key: _counts(value) for key, value in _read(view, keys)}
    moves: list[tuple[int, int, int, int]] = []
    for key, label, step in zip(keys, names, steps, strict=True):
        before = rows[key].get(label, [0] * len(COUNTED))
        since = [min(max(a + b, 0), MOST) for a, b in zip(before, step, strict=True)]
        if any(since):
            rows[key][label] = since
        else:
            rows[key].pop(label, None)
        pairs = enumerate(zip(by_type(before), by_type(since), strict=True))
        moves += [(kind, label, old, new) for kind, (old, new) in pairs if old != new]
    write_rows(txn, {key: encode_counts(row) if row else b"" for key, row in rows.items()})
    _move(view, txn, moves)


def _read(view: View, keys: Iterable[bytes]) -> Iterator[tuple[bytes, memoryview | None]]:
    names = list(dict.fromkeys(keys))
    return zip(names, view.multi_get(names), strict=True)


def write_rows(txn: Txn, rows: Mapping[bytes, bytes]) -> None:
    """Put rows, and delete those that are empty."""
    there = [key for key, value in rows.items() if value]
    txn.put_many(there, [rows[key] for key in there])
    for key, value in rows.items():
        if not value:
            txn.delete(key)


def _move(view: View, txn: Txn, moves: Sequence[tuple[int, int, int, int]]) -> None:
    """Move labels from the ranks of their former counts to those of their new ones."""
    keys = [rank_key(kind, count, label) for kind, label, *both in moves for count in both if count]
    rows = {key: _rank(value) for key, value in _read(view, keys)}
    for kind, label, old, _ in moves:
        if old:
            rows[rank_key(kind, old, label)].pop(label, None)
    for kind, label, _, new in moves:
        if new:
            rows[rank_key(kind, new, label)][label] = new
    write_rows(txn, {key: encode_rank(row) if row else b"" for key, row in rows.items()})


def rows_of(labels: Labels, counts: Counts) -> dict[bytes, bytes]:
    """Return all rows for the counts of labels, each named once."""
    totals: dict[bytes, dict[int, list[int]]] = {}
    ranks: dict[bytes, dict[int, int]] = {}
    for label, row in zip(labels.tolist(), counts.tolist(), strict=True):
        if not label or not any(row):
            continue
        totals.setdefault(count_key(label), {})[label] = row
        for kind, count in enumerate(by_type(row)):
            if count:
                ranks.setdefault(rank_key(kind, count, label), {})[label] = count
    assert len(RANKED) == len(COUNTED) + 1
    return {
        **{key: encode_counts(row) for key, row in totals.items()},
        **{key: encode_rank(row) for key, row in ranks.items()},
    }

"""Stored counts and ranks, both versioned like any data.

    c  slice                        counts: uint64 labels, then 4 uint32 for each: PostSyn, PreSyn, Gap, Note
    r  type  bucket  slice          ranks: uint64 labels, then their counts, uint32
    m                               uint64: up to which mutation of the annotation a reload counted; all ones: it runs

A slice is 256 labels. A bucket is the counts that share their leading three binary digits, and stands in keys as 255
minus its number, so that a scan meets the largest counts first. A label leaves its row only when its bucket changes, at
most four times for each doubling of its count: so what is superseded never piles up before what ranks first.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from dvid_framework.api import View
from dvid_labelsz.model import COUNTED, Counts, Labels

__all__ = [
    "COUNTS",
    "MARK",
    "RANKS",
    "bucket_of",
    "count_key",
    "decode_counts",
    "decode_rank",
    "encode_counts",
    "encode_rank",
    "largest_of",
    "rank_key",
    "ranked",
]

COUNTS, RANKS, MARK = b"c", b"r", b"m"
_EXACT = 8
_SLICE_BITS = 8
_UINT32 = NDArray[np.uint32]


def bucket_of(count: int) -> int:
    """Return the bucket of a count of at least 1."""
    if count < _EXACT:
        return count
    exponent = count.bit_length() - 1
    return _EXACT + 4 * (exponent - 3) + (count >> (exponent - 2) & 3)


def largest_of(bucket: int) -> int:
    """Return the largest count of a bucket."""
    if bucket < _EXACT:
        return bucket
    exponent, digits = divmod(bucket - _EXACT, 4)
    return ((5 + digits) << (exponent + 1)) - 1


def _slice(label: int) -> bytes:
    return (label >> _SLICE_BITS).to_bytes(8, "big")


def count_key(label: int) -> bytes:
    """Return the key of the row with the counts of a label."""
    return COUNTS + _slice(label)


def rank_key(kind: int, count: int, label: int) -> bytes:
    """Return the key of the row in which a label with a count stands.

    Args:
        kind: index into `RANKED`.
        count: at least 1.
        label: the label.
    """
    return RANKS + bytes([kind, 255 - bucket_of(count)]) + _slice(label)


def encode_counts(counts: dict[int, list[int]]) -> bytes:
    """Return a row of counts."""
    labels = sorted(counts)
    numbers = np.array([counts[label] for label in labels], np.uint32)
    return np.array(labels, "<u8").tobytes() + numbers.astype("<u4").tobytes()


def decode_counts(value: bytes | memoryview) -> tuple[Labels, Counts]:
    """Return the labels of a row, ascending, and their counts."""
    width = len(COUNTED)
    number = len(value) // (8 + 4 * width)
    labels = np.frombuffer(value, "<u8", number)
    counts = np.frombuffer(value, "<u4", number * width, 8 * number).reshape(number, width)
    return labels, counts.astype(np.int64)


def encode_rank(counts: dict[int, int]) -> bytes:
    """Return a row of ranks."""
    labels = sorted(counts)
    return np.array(labels, "<u8").tobytes() + np.array([counts[label] for label in labels], "<u4").tobytes()


def decode_rank(value: bytes | memoryview) -> tuple[Labels, _UINT32]:
    """Return the labels of a row, ascending, and their counts."""
    number = len(value) // 12
    return np.frombuffer(value, "<u8", number), np.frombuffer(value, "<u4", number, 8 * number)


def ranked(view: View, kind: int, least: int, first: int, most: int) -> Iterator[tuple[Labels, _UINT32]]:
    """Yield labels and their counts, some at a time: the largest count first, then by label.

    Args:
        view: the version.
        kind: index into `RANKED`.
        least: only labels with this count or more.
        first: how many to pass over.
        most: how many at most.
    """
    for labels, counts in _by_bucket(view, kind, max(least, 1)):
        if first >= len(labels):
            first -= len(labels)
            continue
        labels, counts = labels[first : first + most], counts[first : first + most]  # noqa: PLW2901 - what is left
        first = 0
        most -= len(labels)
        if len(labels):
            yield labels, counts
        if not most:
            return


def _by_bucket(view: View, kind: int, least: int) -> Iterator[tuple[Labels, _UINT32]]:
    """Yield labels with a count of at least `least` in order: buckets of one count row by row, others as a whole."""
    prefix = RANKS + bytes([kind])
    held: list[tuple[Labels, _UINT32]] = []
    number = 0
    for key, value in view.scan(prefix, RANKS + bytes([kind + 1])):
        bucket = 255 - key[2]
        if bucket != number:
            yield from _sorted(held, least)
            held, number = [], bucket
            if largest_of(bucket) < least:
                return
        row = decode_rank(value)
        if bucket < _EXACT:
            yield row
        else:
            held.append(row)
    yield from _sorted(held, least)


def _sorted(rows: list[tuple[Labels, _UINT32]], least: int) -> Iterator[tuple[Labels, _UINT32]]:
    if not rows:
        return
    labels, counts = (np.concatenate(columns) for columns in zip(*rows, strict=True))
    order = np.lexsort((labels, -counts.astype(np.int64)))
    order = order[counts[order] >= least]
    yield labels[order], counts[order]

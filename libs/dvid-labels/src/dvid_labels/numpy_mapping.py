"""Sorted mappings in stored chunks, in numpy: what the native kernels mean, and what runs without them.

A chunk is little-endian: uint32 count n; bytes l, w, v, 0; uint64 first source, span (last source less the first),
base, number d of values. Then, each filled up to whole words of 64 bits and from the lowest bit on: a string of bits
in which entry i is a one at (source - first >> l) + i, of n + (span >> l) + 1 bits; n low parts of l bits; d values of
v bits, ascending; and n targets of w bits: less the base, or the number of a value, to which the base is added, if
there are values.
"""

import struct
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dvid_labels.errors import LabelFormatError
from dvid_labels.types import Buffer, Labels, Mapping

__all__ = ["decode_mapping", "encode_mapping", "find_mapping", "sort_mapping"]

_HEAD = struct.Struct("<IBBBBQQQQ")
_MOST = 1 << 16
_WORD = 64
_TOP = (1 << 64) - 1


class _Head(NamedTuple):
    entries: int
    low: int
    width: int
    value_width: int
    zero: int
    first: int
    span: int
    base: int
    values: int

    def section_bits(self) -> tuple[int, int, int, int]:
        upper = self.entries + (self.span >> self.low) + 1
        return upper, self.entries * self.low, self.values * self.value_width, self.entries * self.width


def sort_mapping(source: Labels, target: Labels) -> Mapping:
    """Sort entries by source; of several of one source the last counts.

    Args:
        source: uint64 (n,), in any order.
        target: uint64 (n,).

    Returns:
        Sources, strictly ascending, and their targets.

    Raises:
        ValueError: the arrays are not parallel.
    """
    source, target = _parallel(source, target)
    if len(source) > 1 and not (source[1:] > source[:-1]).all():
        order = np.argsort(source, kind="stable")
        source, target = source[order], target[order]
        last = np.append(source[1:] != source[:-1], True)
        source, target = source[last], target[last]
    return source, target


def encode_mapping(source: Labels, target: Labels, each: int) -> list[bytes]:
    """Encode sorted entries as chunks.

    Args:
        source: uint64 (n,), strictly ascending.
        target: uint64 (n,).
        each: entries of a chunk, 1 to 65536; the last one has what is left.

    Raises:
        ValueError: sources do not ascend strictly, the arrays are not parallel, or `each` is out of range.
    """
    source, target = _parallel(source, target)
    if not 0 < each <= _MOST:
        raise ValueError(f"a chunk has 1 to {_MOST} entries, not {each}")
    if (source[1:] <= source[:-1]).any():
        raise ValueError("the sources of the mapping do not ascend strictly")
    cuts = range(0, len(source), each)
    return [_encode_chunk(source[at : at + each], target[at : at + each]) for at in cuts]


def decode_mapping(chunks: Sequence[Buffer]) -> Mapping:
    """Decode chunks: all entries, uint64 (n,) each.

    Raises:
        LabelFormatError: a chunk is damaged; it has its number.
    """
    parts = [_decode_chunk(chunk, number) for number, chunk in enumerate(chunks)]
    empty = np.zeros(0, np.uint64)
    source, target = (np.concatenate([empty, *(part[i] for part in parts)]) for i in (0, 1))
    return source, target


def find_mapping(
    chunks: Sequence[Buffer], owners: NDArray[np.int64], labels: Labels
) -> tuple[NDArray[np.bool_], Labels]:
    """Look up labels, each in one chunk.

    Args:
        chunks: the chunks.
        owners: int64 (n,), the number of the chunk that may have the label; quicker if equal ones are together.
        labels: uint64 (n,).

    Returns:
        Which have an entry, and its target (the label itself for the others), uint64 (n,).

    Raises:
        LabelFormatError: a chunk is damaged; it has its number.
        ValueError: there is not one chunk for each label.
    """
    if len(owners) != len(labels):
        raise ValueError("each label is looked up in one chunk")
    if len(owners) and (owners.min() < 0 or owners.max() >= len(chunks)):
        raise ValueError("a label is looked up in a chunk that is not there")
    hits, targets = np.zeros(len(labels), bool), labels.astype(np.uint64)
    for number in np.unique(owners).tolist():
        mine = np.flatnonzero(owners == number)
        source, target = _decode_chunk(chunks[number], number)
        places = np.minimum(np.searchsorted(source, targets[mine]), len(source) - 1)
        same = source[places] == targets[mine]
        hits[mine[same]], targets[mine[same]] = True, target[places[same]]
    return hits, targets


def _parallel(source: Labels, target: Labels) -> Mapping:
    source, target = np.asarray(source, np.uint64), np.asarray(target, np.uint64)
    if source.shape != target.shape:
        raise ValueError("the two arrays of the mapping differ in length")
    return source, target


def _words(bits: int) -> int:
    return -(-bits // _WORD)


def _pack(numbers: Labels, width: int) -> bytes:
    """Return numbers of `width` bits one behind the other, filled up to whole words."""
    bits = numbers[:, None] >> np.arange(width, dtype=np.uint64) & np.uint64(1)
    packed = np.packbits(bits.astype(bool), bitorder="little").tobytes()
    return packed.ljust(8 * _words(bits.size), b"\x00")


def _unpack(value: memoryview, count: int, width: int) -> Labels:
    bits = np.unpackbits(np.frombuffer(value, np.uint8), count=count * width, bitorder="little").reshape(count, width)
    found: Labels = (bits.astype(np.uint64) << np.arange(width, dtype=np.uint64)).sum(axis=1, dtype=np.uint64)
    return found


def _encode_chunk(source: Labels, target: Labels) -> bytes:
    n, first, span = len(source), int(source[0]), int(source[-1] - source[0])
    low = max((span // n).bit_length() - 1, 0)
    values = np.unique(target)
    base, width = int(values[0]), int(values[-1] - values[0]).bit_length()
    index = (len(values) - 1).bit_length()
    named = _words(len(values) * width) + _words(n * index) < _words(n * width)
    places = source - np.uint64(first)
    upper = np.zeros(n + (span >> low) + 1, np.uint64)
    upper[(places >> np.uint64(low)).astype(np.int64) + np.arange(n)] = 1
    lows = places & np.uint64((1 << low) - 1)
    widths = (index, width, 0) if named else (width, 0, 0)
    numbers = np.searchsorted(values, target).astype(np.uint64) if named else target - np.uint64(base)
    return b"".join(
        (
            _HEAD.pack(n, low, *widths, first, span, base, len(values) if named else 0),
            _pack(upper, 1),
            _pack(lows, low),
            _pack(values - np.uint64(base), width) if named else b"",
            _pack(numbers, widths[0]),
        )
    )


def _damaged(what: str, number: int) -> LabelFormatError:
    return LabelFormatError(f"a chunk of the mappings is damaged: {what}").in_payload(number)


def _sections(chunk: Buffer, number: int) -> tuple[_Head, list[memoryview]]:
    """Return the head of a chunk, and its four parts.

    Raises:
        LabelFormatError: a length or a number of the head is wrong.
    """
    if len(chunk) < _HEAD.size:
        raise _damaged("it is cut off", number)
    head, rest = _Head(*_HEAD.unpack_from(chunk)), memoryview(chunk)[_HEAD.size :]
    wide = head.low >= _WORD or head.width > _WORD or head.value_width > _WORD or head.zero
    odd = not 0 < head.entries <= _MOST or head.values > head.entries or (not head.values and head.value_width)
    if wide or odd or head.first + head.span > _TOP or head.span >> head.low > 2 * head.entries:
        raise _damaged("its head is wrong", number)
    sizes = [8 * _words(bits) for bits in head.section_bits()]
    if len(rest) != sum(sizes):
        raise _damaged("its length is wrong", number)
    ends = np.cumsum(sizes).tolist()
    return head, [rest[end - size : end] for end, size in zip(ends, sizes, strict=True)]


def _decode_chunk(chunk: Buffer, number: int) -> Mapping:
    head, (upper, lows, values, targets) = _sections(chunk, number)
    ones = np.flatnonzero(np.unpackbits(np.frombuffer(upper, np.uint8), bitorder="little"))
    if len(ones) != head.entries:
        raise _damaged("it has not as many entries as it says", number)
    zeros = (ones - np.arange(head.entries)).astype(np.uint64)
    places = zeros << np.uint64(head.low) | _unpack(lows, head.entries, head.low)
    ends = int(places[0]) == 0 and int(places[-1]) == head.span
    if zeros.max() > head.span >> head.low or not ends or (places[1:] <= places[:-1]).any():
        raise _damaged("its sources are not in order", number)
    found = _unpack(targets, head.entries, head.width)
    if head.values:
        if found.max() >= head.values:
            raise _damaged("a target has no value", number)
        found = _unpack(values, head.values, head.value_width)[found.astype(np.int64)]
    if int(found.max()) + head.base > _TOP:
        raise _damaged("a target is too large", number)
    return places + np.uint64(head.first), found + np.uint64(head.base)

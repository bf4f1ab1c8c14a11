"""Many envelopes opened at once hold what they do one by one, and damage is the same error at the same place."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

import google_crc32c
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dvid_framework.errors import CorruptValue
from dvid_framework.storage.envelope import LZ4, NONE, ZLIB, open_value, seal_value
from dvid_framework.storage.opening import Pair, open_each, open_one, open_one_by_one

_values = st.binary(max_size=300) | st.tuples(st.binary(max_size=5), st.integers(0, 30_000)).map(lambda n: n[0] * n[1])
_sealed = st.tuples(st.binary(max_size=20), _values, st.sampled_from([NONE, LZ4, ZLIB]))
_damages = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 60), st.integers(0, 255)), max_size=3)


def outcome(values: Iterator[memoryview]) -> list[bytes | str]:
    """The values up to the first error, and that error."""
    found: list[bytes | str] = []
    try:
        found.extend(map(bytes, values))
    except CorruptValue as error:
        found.append(str(error))
    return found


def damaged(pairs: Sequence[Pair], damages: Sequence[tuple[int, int, int]]) -> list[Pair]:
    """Pairs of which some have a byte more, less, or another."""
    found = list(pairs)
    for number, at, byte in damages:
        if number < len(found):
            key, sealed = found[number]
            found[number] = key, (sealed[:at] if byte == 0 else sealed[:at] + bytes([byte]) + sealed[at + byte % 2 :])
    return found


@given(st.lists(_sealed, max_size=40), _damages)
def test_both_ways_open_the_same(wanted: list[tuple[bytes, bytes, int]], damages: list[tuple[int, int, int]]) -> None:
    pairs = [(key, seal_value(key, value, codec)) for key, value, codec in wanted]
    assert outcome(open_each(pairs)) == [value for _, value, _ in wanted]
    pairs = damaged(pairs, damages)
    assert outcome(open_each(pairs)) == outcome(open_one_by_one(pairs))


@pytest.mark.parametrize("codec", [NONE, LZ4, ZLIB])
@pytest.mark.parametrize("size", [0, 1, (1 << 14) - 5, 1 << 14, 1 << 15, 65_535, 65_536, 65_537, 3 << 20])
def test_values_of_any_size(codec: int, size: int) -> None:
    for value in (bytes(size), random.Random(size).randbytes(size)):
        sealed = seal_value(b"key", value, codec)
        assert open_one(b"key", sealed) == value
        assert [bytes(one) for one in open_each([(b"key", sealed)] * 5)] == [value] * 5
        with pytest.raises(CorruptValue, match="6f74686572"):
            open_one(b"other", sealed)


def test_a_size_that_no_block_could_have_is_refused() -> None:
    genuine = seal_value(b"key", bytes(1000), LZ4)
    for size in (999, 1001, 60_000, 1 << 31):
        body = size.to_bytes(4, "little") + genuine[9:]
        checksum = google_crc32c.value(b"key" + bytes([LZ4]) + body)
        forged = bytes([LZ4]) + checksum.to_bytes(4, "little") + body
        with pytest.raises(CorruptValue):
            list(open_each([(b"key", forged)] * 5))
        with pytest.raises(CorruptValue):
            open_value(b"key", forged)

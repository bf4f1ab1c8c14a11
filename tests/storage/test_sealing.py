"""Many values sealed at once are what they are one by one."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dvid_framework.storage import keys
from dvid_framework.storage.envelope import LZ4, NONE, ZLIB, open_value
from dvid_framework.storage.sealing import Operations, PutKeys, seal_one_by_one, seal_puts

NAMES = PutKeys(keys.data_prefix(7), keys.tail_of(3, keys.VALUE), keys.tail_of(3, keys.TOMBSTONE))
_type_keys = st.binary(min_size=1, max_size=12) | st.lists(st.sampled_from([b"\x00", b"\xff", b"a"])).map(b"".join)
_values = st.binary(max_size=300) | st.binary(min_size=1, max_size=5).map(lambda piece: piece * 100)
_codecs = st.sampled_from([NONE, LZ4, ZLIB])


def opened(operations: Operations) -> list[tuple[bytes, bytes | None]]:
    return [(key, None if value is None else bytes(open_value(key, value))) for key, value in operations]


@given(st.lists(st.tuples(_type_keys, _values)), _codecs, st.sampled_from([bytes, bytearray, memoryview]))
def test_both_ways_seal_the_same(pairs: list[tuple[bytes, bytes]], codec: int, kind: type) -> None:
    type_keys, values = [key for key, _ in pairs], [value for _, value in pairs]
    operations, count = seal_puts(NAMES, type_keys, [kind(value) for value in values], codec)
    plain, _ = seal_one_by_one(NAMES, type_keys, values, codec)
    assert opened(operations) == opened(plain)
    assert [value for _, value in opened(operations)[::2]] == values
    assert count == sum(len(key) + len(value or b"") for key, value in operations)
    if codec == NONE:
        assert operations == plain


def test_long_values_get_smaller_where_they_can() -> None:
    (_, sealed), _ = seal_puts(NAMES, [b"key"], [bytes(5000)], LZ4)[0]
    assert sealed is not None
    assert len(sealed) < 200
    assert sealed[0] == LZ4


@pytest.mark.parametrize("codec", [NONE, LZ4])
def test_many_long_values_are_sealed_the_same(codec: int) -> None:
    sizes = [700_000, 3, 400_000, 0, 1 << 20, 2 << 20, 17]  # some are a megabyte together, some alone
    values = [random.Random(number).randbytes(size // 2) * 2 for number, size in enumerate(sizes)]
    type_keys = [b"%d" % number for number in range(len(sizes))]
    operations, count = seal_puts(NAMES, type_keys, values, codec)
    assert opened(operations) == opened(seal_one_by_one(NAMES, type_keys, values, codec)[0])
    assert count == sum(len(key) + len(value or b"") for key, value in operations)


def test_there_must_be_one_key_for_each_value() -> None:
    for seal in (seal_puts, seal_one_by_one):
        with pytest.raises(ValueError, match=r"one key|shorter"):
            seal(NAMES, [b"a", b"b"], [b"1"], NONE)

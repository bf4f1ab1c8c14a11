"""The envelope: round trip, and any damage is an error that names the key."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dvid_framework.errors import CorruptValue
from dvid_framework.storage.envelope import CODECS, LZ4, NONE, ZLIB, open_value, seal_value

_values = st.binary(max_size=300) | st.binary(min_size=1, max_size=5).map(lambda piece: piece * 100)
_codecs = st.sampled_from([NONE, LZ4, ZLIB])


@given(st.binary(max_size=20), _values, _codecs)
def test_a_value_comes_back(key: bytes, value: bytes, codec: int) -> None:
    assert open_value(key, seal_value(key, value, codec)) == value


@given(_values, _codecs, st.data())
def test_any_changed_byte_is_an_error(value: bytes, codec: int, data: st.DataObject) -> None:
    sealed = bytearray(seal_value(b"key", value, codec))
    at = data.draw(st.integers(0, len(sealed) - 1))
    sealed[at] ^= data.draw(st.integers(1, 255))
    with pytest.raises(CorruptValue, match="6b6579"):
        open_value(b"key", bytes(sealed))


@given(_values, _codecs, st.data())
def test_any_truncation_is_an_error(value: bytes, codec: int, data: st.DataObject) -> None:
    sealed = seal_value(b"key", value, codec)
    with pytest.raises(CorruptValue):
        open_value(b"key", sealed[: data.draw(st.integers(0, len(sealed) - 1))])


@given(_values, _codecs)
def test_a_value_under_another_key_is_an_error(value: bytes, codec: int) -> None:
    with pytest.raises(CorruptValue):
        open_value(b"other", seal_value(b"key", value, codec))


@given(st.binary(max_size=100))
def test_any_bytes_are_opened_or_refused(noise: bytes) -> None:
    with pytest.raises(CorruptValue):
        open_value(b"key", noise)


@pytest.mark.parametrize("codec", [LZ4, ZLIB])
def test_what_compresses_gets_smaller(codec: int) -> None:
    assert len(seal_value(b"key", b"a" * 10_000, codec)) < 200


@pytest.mark.parametrize("codec", [LZ4, ZLIB])
def test_what_does_not_compress_is_kept_as_it_is(codec: int) -> None:
    value = bytes(range(256))
    sealed = seal_value(b"key", value, codec)
    assert sealed[0] == NONE
    assert len(sealed) == len(value) + 5


def test_an_empty_value_has_an_envelope() -> None:
    assert len(seal_value(b"key", b"")) == 5


def test_each_word_of_the_compression_setting_has_a_codec() -> None:
    assert set(CODECS) == {"none", "snappy", "lz4", "gzip", "jpeg"}


def test_too_large_values_are_refused() -> None:
    class Huge(bytes):
        def __len__(self) -> int:
            return 1 << 32

    with pytest.raises(ValueError, match="4 GiB"):
        seal_value(b"key", Huge())

"""JSON of keys and values."""

from __future__ import annotations

import json
import os
import random

import pytest
from dvid_keyvalue import listing
from dvid_keyvalue.keys import MOST_KEY_BYTES, checked, of_text, text_of, texts_of
from dvid_keyvalue.listing import check_json, decode_parts, encode_keys, encode_object
from dvid_keyvalue.model import Part, cut
from hypothesis import given
from hypothesis import strategies as st

from dvid_framework.api import BadRequest

FUZZ_COUNT = int(os.environ.get("DVID_FUZZ_COUNT", "10000"))


def test_keys_may_be_texts_or_objects() -> None:
    assert decode_parts(b'["a","\xc3\xa9"]') == [Part(b"a"), Part("é".encode())]
    assert decode_parts(b'[{"key":"a"},{"key":"b","byte_start":1,"byte_end":3}]') == [Part(b"a"), Part(b"b", 1, 3)]
    assert decode_parts(b"[]") == decode_parts(b"null") == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"[1]",
        b"nonsense",
        b'["a",{"key":"b"}]',
        b'[{"byte_start":1}]',
        b'[{"key":"a","byte_start":1}]',
        b'[{"key":"a","byte_end":1}]',
        b'[{"key":"a","byte_start":-1,"byte_end":1}]',
        b'[{"key":"a","byte_start":0,"byte_end":1.5}]',
        b'["a"] ["b"]',
        b"[" * 5000,
    ],
)
def test_other_lists_are_refused(body: bytes) -> None:
    with pytest.raises(BadRequest):
        decode_parts(body)


@pytest.mark.fuzz
def test_mutated_lists_are_decoded_or_refused() -> None:
    rng = random.Random(3)
    seeds = [b'["alpha","beta",""]', b'[{"key":"a"},{"key":"b","byte_start":1,"byte_end":99}]']
    alphabet = b'[]{}",:\\0123456789e.-ntu\x00\xff\xc3'
    for _ in range(FUZZ_COUNT):
        body = bytearray(rng.choice(seeds))
        for _ in range(rng.randint(1, 4)):
            at = rng.randrange(len(body))
            body[at : at + rng.randint(0, 2)] = bytes(rng.choices(alphabet, k=rng.randint(0, 3)))
        try:
            parts = decode_parts(bytes(body))
        except BadRequest:
            continue
        assert all(part.first is None or part.first >= 0 for part in parts)


@given(st.lists(st.binary(max_size=30)), st.integers(1, 5))
def test_lists_of_keys_are_json_however_they_are_cut(keys: list[bytes], at_once: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(listing, "_KEYS_AT_ONCE", at_once)
        assert json.loads(b"".join(encode_keys(keys))) == texts_of(keys)


@given(st.binary())
def test_each_byte_that_is_no_utf8_is_shown_as_one_sign(key: bytes) -> None:
    shown = text_of(key)
    shown.encode()  # holds no surrogates
    if "\ufffd" not in shown:
        assert shown.encode() == key
    assert of_text(key.decode("utf-8", "surrogateescape")) == key


def test_cut_off_signs_are_replaced_byte_by_byte() -> None:
    assert text_of(b"a\xe6\x97b\xff") == "a\ufffd\ufffdb\ufffd"


@given(
    st.dictionaries(
        st.text(st.characters(codec="utf-8")), st.none() | st.integers() | st.text() | st.lists(st.floats(0, 1))
    )
)
def test_objects_are_json(pairs: dict[str, object]) -> None:
    data = [(key.encode(), memoryview(json.dumps(value).encode())) for key, value in pairs.items()]
    assert json.loads(b"".join(encode_object(data))) == pairs


def test_missing_and_empty_values_are_empty_objects() -> None:
    assert b"".join(encode_object([(b"a", None), (b'q"', memoryview(b"")), (b"c", memoryview(b"1"))])) == (
        b'{"a":{},"q\\"":{},"c":1}'
    )
    assert b"".join(encode_object([])) == b"{}"


def test_values_are_checked() -> None:
    check_json(b"k", memoryview(b' {"a": [1, null]} '))
    for bad in (b"not json", b"{", b'{"a":1}}', b"\xff", b"[" * 100_000):
        with pytest.raises(BadRequest, match="key 'k' is no JSON"):
            check_json(b"k", memoryview(bad))


def test_parts_are_cut_with_both_ends() -> None:
    value = memoryview(b"0123456789")
    assert cut(value, Part(b"k")) == value
    assert cut(value, Part(b"k", 0, 9)) == value
    assert cut(value, Part(b"k", 3, 3)) == b"3"
    for first, last in ((3, 2), (0, 10), (10, 10), (0, 2**64 - 1)):
        with pytest.raises(BadRequest):
            cut(value, Part(b"k", first, last))


def test_keys_have_a_limit() -> None:
    assert checked(bytes(MOST_KEY_BYTES)) == bytes(MOST_KEY_BYTES)
    for key in (b"", bytes(MOST_KEY_BYTES + 1)):
        with pytest.raises(BadRequest) as caught:
            checked(key)
        assert len(caught.value.message) < 300

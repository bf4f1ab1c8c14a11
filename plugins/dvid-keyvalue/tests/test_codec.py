"""The protobuf messages."""

from __future__ import annotations

import os
import random

import pytest
from dvid_keyvalue.codec import decode_keys, decode_pairs, encode_pairs
from dvid_keyvalue.model import Part
from hypothesis import given
from hypothesis import strategies as st

from dvid_framework.api import BadRequest

FUZZ_COUNT = int(os.environ.get("DVID_FUZZ_COUNT", "10000"))
ANSWER = bytes.fromhex("0a0c0a01611207") + b'{"x":1}' + bytes.fromhex("0a040a027a7a0a0c0a01621207") + b"[1,2,3]"
texts = st.text(st.characters(codec="utf-8"), max_size=20).map(str.encode)


def varint(value: int) -> bytes:
    """The rule of the format, in the plainest way."""
    low, rest = value % 128, value // 128
    return bytes([low]) if rest == 0 else bytes([low + 128]) + varint(rest)


def field(number: int, data: bytes) -> bytes:
    return varint(number * 8 + 2) + varint(len(data)) + data


def number_field(number: int, value: int) -> bytes:
    return varint(number * 8) + varint(value)


def key_message(parts: list[Part]) -> bytes:
    out = b""
    for part in parts:
        if part.first is None:
            out += field(1, part.key)
        else:
            out += field(2, field(1, part.key) + number_field(2, part.first) + number_field(3, part.last or 0))
    return out


def encoded(pairs: list[tuple[bytes, bytes | None]]) -> bytes:
    return b"".join(encode_pairs((key, None if value is None else memoryview(value)) for key, value in pairs))


def test_the_worked_example() -> None:
    assert encoded([(b"a", b'{"x":1}'), (b"zz", None), (b"b", b"[1,2,3]")]) == ANSWER
    assert decode_pairs(ANSWER) == [(b"a", b'{"x":1}'), (b"zz", b""), (b"b", b"[1,2,3]")]
    assert decode_keys(bytes.fromhex("0a01610a027a7a0a0162")) == [Part(b"a"), Part(b"zz"), Part(b"b")]


@given(st.lists(st.tuples(texts, st.none() | st.binary(max_size=300))))
def test_pairs_come_back(pairs: list[tuple[bytes, bytes | None]]) -> None:
    data = encoded(pairs)
    assert data == b"".join(
        field(1, field(1, key) + (b"" if value is None else field(2, value))) for key, value in pairs
    )
    assert decode_pairs(data) == [(key, value or b"") for key, value in pairs]


uint64 = st.integers(0, 2**64 - 1)


@given(st.lists(texts), st.lists(st.tuples(texts, uint64, uint64)))
def test_keys_come_back(keys: list[bytes], ranges: list[tuple[bytes, int, int]]) -> None:
    whole, parts = [Part(key) for key in keys], [Part(*one) for one in ranges]
    assert decode_keys(key_message(parts + whole)) == whole + parts


def test_large_values_have_long_lengths() -> None:
    for size in (127, 128, 16383, 16384, 3 << 20):
        assert decode_pairs(encoded([(b"k", bytes(size))])) == [(b"k", bytes(size))]


def test_unknown_fields_are_skipped_and_the_last_of_a_field_counts() -> None:
    strange = number_field(9, 2**64 - 1) + field(3, b"?") + varint(4 * 8 + 1) + bytes(8) + varint(5 * 8 + 5) + bytes(4)
    inner = strange + field(1, b"first") + field(2, b"1") + number_field(1, 7) + field(1, b"last") + field(2, b"2")
    assert decode_pairs(strange + field(1, inner) + number_field(1, 3)) == [(b"last", b"2")]
    assert decode_keys(strange + field(1, b"a") + field(2, strange + field(1, b"b"))) == [Part(b"a"), Part(b"b", 0, 0)]


@pytest.mark.parametrize(
    "data",
    [
        b"\xff\xff",
        b"\x0a",
        b"\x0a\x05abc",
        b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
        b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
        b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02",
        b"\x02\x00",
        b"\x0b\x0c",
        b"\x0e",
        b"\x0a\x04\x0a\x02\xff\xff",
        b"\x09\x00",
    ],
)
def test_what_is_no_message_is_refused(data: bytes) -> None:
    with pytest.raises(BadRequest):
        decode_pairs(data)


def test_keys_must_be_utf8() -> None:
    for data in (field(1, b"\xff"), field(2, field(1, b"\xc3"))):
        with pytest.raises(BadRequest, match="UTF-8"):
            decode_keys(data)


def test_a_message_that_is_cut_off_is_refused_or_shorter() -> None:
    whole = decode_pairs(ANSWER)
    for end in range(len(ANSWER)):
        try:
            assert decode_pairs(ANSWER[:end]) in (whole[:0], whole[:1], whole[:2])
        except BadRequest:
            continue


def mutated(rng: random.Random, data: bytes) -> bytes:
    changed = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(changed) + 1)
        match rng.randrange(4):
            case 0 if at < len(changed):
                changed[at] = rng.choice((0, 1, 127, 128, 255, rng.randrange(256)))
            case 1:
                changed[at:at] = rng.randbytes(rng.randint(1, 11))
            case 2:
                del changed[at : at + rng.randint(1, 5)]
            case _:
                del changed[at:]
    return bytes(changed)


@pytest.mark.fuzz
def test_mutated_messages_are_decoded_or_refused() -> None:
    rng = random.Random(20)
    keys = key_message([Part(b"a"), Part(b"key", 1, 300), Part("é".encode())])
    for _ in range(FUZZ_COUNT):
        for decode, seed in ((decode_pairs, ANSWER), (decode_keys, keys)):
            data = mutated(rng, seed)
            try:
                found = decode(data)
            except BadRequest:
                continue
            assert sum(len(one[0]) for one in found) <= len(data)

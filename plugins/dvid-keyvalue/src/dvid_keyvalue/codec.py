"""The protobuf messages of batches.

    KeyValue  { string key = 1; bytes value = 2; }
    KeyValues { repeated KeyValue kvs = 1; }
    KeyRange  { string key = 1; uint64 byte_start = 2; uint64 byte_end = 3; }
    Keys      { repeated string keys = 1; repeated KeyRange key_ranges = 2; }

Every length is checked against the bytes that are there before it is used. Unknown fields are skipped; of a field that
comes several times and is not repeated, the last one counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from dvid_framework.api import BadRequest
from dvid_keyvalue.model import Part

__all__ = ["decode_keys", "decode_pairs", "encode_pairs"]

_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5
_NUMBERED = (_LENGTH, _VARINT)
_FIXED = {_FIXED64: 8, _FIXED32: 4}
_WHOLE_KEY = 1 << 3 | _LENGTH
_LARGEST = (1 << 64) - 1
_SMALL = 1 << 14  # a value that is rather copied than handed on by itself
_PIECE = 1 << 18  # bytes of small values that are joined
_MOST_HELD = 1 << 12
_MOST_HEADS = 1 << 10
_DIGITS = [bytes((value,)) for value in range(128)]


def _varint(data: bytes, at: int, end: int) -> tuple[int, int]:
    value = shift = 0
    while at < end:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            if value > _LARGEST:
                break
            return value, at
        shift += 7
        if shift > 63:
            break
    raise BadRequest("the body is not the protobuf message that is wanted: a number is cut off or too large")


def _fields(data: bytes, at: int, end: int) -> Iterator[tuple[int, int, int, int]]:
    """Yield (field, wire type, start, stop) of a message; for a varint the start is its value."""
    while at < end:
        tag = data[at]
        at += 1
        if tag > 127:
            tag, at = _varint(data, at - 1, end)
        field, wire = tag >> 3, tag & 7
        if field == 0:
            raise BadRequest("the body is not the protobuf message that is wanted: there is no field 0")
        if wire in _NUMBERED:
            if at < end and data[at] < 128:
                number, at = data[at], at + 1
            else:
                number, at = _varint(data, at, end)
            if wire == _VARINT:
                yield field, wire, number, at
                continue
        elif wire in _FIXED:
            number = _FIXED[wire]
        else:
            raise BadRequest(f"the body is not the protobuf message that is wanted: wire type {wire}")
        if number > end - at:
            raise BadRequest("the body is not the protobuf message that is wanted: a field is cut off")
        yield field, wire, at, at + number
        at += number


def _key(data: bytes, start: int, stop: int) -> bytes:
    key = data[start:stop]
    if not key.isascii():
        try:
            key.decode()
        except UnicodeDecodeError as error:
            raise BadRequest("the body is not the protobuf message that is wanted: a key is no UTF-8") from error
    return key


def _pair(data: bytes, at: int, end: int) -> tuple[bytes, bytes]:
    key = value = b""
    for field, wire, start, stop in _fields(data, at, end):
        if wire == _LENGTH:
            if field == 1:
                key = _key(data, start, stop)
            elif field == 2:
                value = data[start:stop]
    return key, value


def decode_pairs(data: bytes) -> list[tuple[bytes, bytes]]:
    """Decode KeyValues.

    Raises:
        BadRequest: it is no such message.
    """
    return [
        _pair(data, start, stop)
        for field, wire, start, stop in _fields(data, 0, len(data))
        if field == 1 and wire == _LENGTH
    ]


def _part(data: bytes, at: int, end: int) -> Part:
    key, first, last = b"", 0, 0
    for field, wire, start, stop in _fields(data, at, end):
        if field == 1 and wire == _LENGTH:
            key = _key(data, start, stop)
        elif wire == _VARINT and field == 2:
            first = start
        elif wire == _VARINT and field == 3:
            last = start
    return Part(key, first, last)


def _plain_keys(data: bytes) -> list[bytes] | None:
    """Return the keys of a message of nothing but short ASCII keys, as most are; None if it is none."""
    if not data.isascii():
        return None
    keys: list[bytes] = []
    at, end = 0, len(data)
    while at + 1 < end and data[at] == _WHOLE_KEY:
        start = at + 2
        at = start + data[at + 1]
        keys.append(data[start:at])
    return keys if at == end else None


def decode_keys(data: bytes) -> list[Part]:
    """Decode Keys: first the whole values, then the parts, each in the order asked for.

    Raises:
        BadRequest: it is no such message.
    """
    plain = _plain_keys(data)
    if plain is not None:
        return [Part(key) for key in plain]
    whole: list[Part] = []
    parts: list[Part] = []
    for field, wire, start, stop in _fields(data, 0, len(data)):
        if wire == _LENGTH and field == 1:
            whole.append(Part(_key(data, start, stop)))
        elif wire == _LENGTH and field == 2:
            parts.append(_part(data, start, stop))
    return whole + parts


def _number(value: int) -> bytes:
    if value < 128:
        return _DIGITS[value]
    if value < 1 << 14:
        return bytes((value & 127 | 128, value >> 7))
    encoded = bytearray()
    while value > 127:
        encoded.append(value & 127 | 128)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def encode_pairs(pairs: Iterable[tuple[bytes, memoryview | None]]) -> Iterator[bytes | memoryview]:
    """Encode KeyValues in pieces; a pair without a value (None) has no value field, an empty value has an empty one."""
    heads: dict[tuple[int, int], tuple[bytes, bytes]] = {}  # what stands before key and value, by their lengths
    held: list[bytes | memoryview] = []
    room = _PIECE
    for key, value in pairs:
        if value is None:
            inner = b"\x0a" + _number(len(key)) + key
            held += (b"\x0a", _number(len(inner)), inner)
            continue
        lengths = len(key), len(value)
        head = heads.get(lengths)
        if head is None:
            if len(heads) >= _MOST_HEADS:
                heads.clear()
            head = heads[lengths] = _head_of(*lengths)
        if lengths[1] >= _SMALL:
            yield b"".join((*held, head[0], key, head[1]))
            yield value
            held, room = [], _PIECE
            continue
        held += (head[0], key, head[1], value)
        room -= lengths[1]
        if room < 0 or len(held) >= _MOST_HELD:
            yield b"".join(held)
            held, room = [], _PIECE
    yield b"".join(held)


def _head_of(key_size: int, size: int) -> tuple[bytes, bytes]:
    """Return what stands before a key and before its value in a pair, by their lengths."""
    before_key, before_value = b"\x0a" + _number(key_size), b"\x12" + _number(size)
    return b"\x0a" + _number(len(before_key) + key_size + len(before_value) + size) + before_key, before_value

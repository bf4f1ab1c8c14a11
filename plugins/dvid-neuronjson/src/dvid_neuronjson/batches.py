"""The protobuf messages of batches, of keyvalue's kind: keys are numbers of neurons as texts, values JSON objects.

    KeyValue  { string key = 1; bytes value = 2; }
    KeyValues { repeated KeyValue kvs = 1; }
    Keys      { repeated string keys = 1; }

Every length is checked against the bytes that are there before it is used. Unknown fields are skipped.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from dvid_framework.api import BadRequest

__all__ = ["decode_keys", "decode_pairs", "encode_pairs"]

_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5
_MOST_SHIFT = 63
_CUT = "the body is not the protobuf message that is wanted: it is cut off or malformed"


def _varint(data: bytes, at: int, end: int) -> tuple[int, int]:
    value = shift = 0
    while at < end and shift <= _MOST_SHIFT:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
        shift += 7
    raise BadRequest(_CUT)


def _fields(data: bytes, at: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Yield (field, start, stop) of the fields of a message that have a length."""
    while at < end:
        tag, at = _varint(data, at, end)
        field, wire = tag >> 3, tag & 7
        if field == 0 or wire not in (_VARINT, _FIXED64, _LENGTH, _FIXED32):
            raise BadRequest(_CUT)
        if wire == _VARINT:
            _, at = _varint(data, at, end)
            continue
        size = 8 if wire == _FIXED64 else 4
        if wire == _LENGTH:
            size, at = _varint(data, at, end)
        if size > end - at:
            raise BadRequest(_CUT)
        if wire == _LENGTH:
            yield field, at, at + size
        at += size


def _text(data: bytes, start: int, stop: int) -> str:
    try:
        return data[start:stop].decode()
    except UnicodeDecodeError as error:
        raise BadRequest("the body is not the protobuf message that is wanted: a key is no UTF-8") from error


def decode_pairs(data: bytes) -> list[tuple[str, bytes]]:
    """Decode KeyValues.

    Raises:
        BadRequest: it is no such message.
    """
    pairs: list[tuple[str, bytes]] = []
    for field, start, stop in _fields(data, 0, len(data)):
        if field == 1:
            key, value = "", b""
            for inner, first, last in _fields(data, start, stop):
                if inner == 1:
                    key = _text(data, first, last)
                elif inner == 2:
                    value = data[first:last]
            pairs.append((key, value))
    return pairs


def decode_keys(data: bytes) -> list[str]:
    """Decode Keys; ranges of keys are ignored.

    Raises:
        BadRequest: it is no such message.
    """
    return [_text(data, start, stop) for field, start, stop in _fields(data, 0, len(data)) if field == 1]


def _number(value: int) -> bytes:
    encoded = bytearray()
    while value > 127:
        encoded.append(value & 127 | 128)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def encode_pairs(pairs: Iterable[tuple[str, bytes | memoryview | None]]) -> Iterator[bytes]:
    """Encode KeyValues, pair by pair; a pair without a value (None) has no value field."""
    for name, value in pairs:
        key = name.encode()
        inner = b"\x0a" + _number(len(key)) + key
        if value is not None:
            inner = b"".join((inner, b"\x12", _number(len(value)), value))
        yield b"".join((b"\x0a", _number(len(inner)), inner))

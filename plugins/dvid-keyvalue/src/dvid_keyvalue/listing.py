"""JSON of keys and values."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

import msgspec

from dvid_framework.api import BadRequest
from dvid_keyvalue.keys import of_text, text_of, texts_of
from dvid_keyvalue.model import Part

__all__ = ["check_json", "decode_parts", "encode_keys", "encode_object"]

_KEYS_AT_ONCE = 20_000
_encode = msgspec.json.Encoder().encode
_decode_raw = msgspec.json.Decoder(msgspec.Raw).decode


class _Wanted(msgspec.Struct):
    key: str
    byte_start: msgspec.UnsetType | int = msgspec.UNSET
    byte_end: msgspec.UnsetType | int = msgspec.UNSET


_decode_wanted = msgspec.json.Decoder(list[str | _Wanted] | None).decode


def _part(wanted: str | _Wanted) -> Part:
    if isinstance(wanted, str):
        return Part(of_text(wanted))
    first, last = wanted.byte_start, wanted.byte_end
    if isinstance(first, int) and isinstance(last, int):
        if first < 0 or last < 0:
            raise BadRequest("byte_start and byte_end may not be negative")
        return Part(of_text(wanted.key), first, last)
    if first is not last:
        raise BadRequest("byte_start and byte_end are needed together")
    return Part(of_text(wanted.key))


def decode_parts(body: bytes) -> list[Part]:
    """Decode a list of keys: texts, or objects `{"key":K}` or `{"key":K,"byte_start":A,"byte_end":B}`.

    Raises:
        BadRequest: it is something else.
    """
    try:
        wanted = _decode_wanted(body) or []
    except (msgspec.MsgspecError, RecursionError, ValueError) as error:
        raise BadRequest(f"the body must be a JSON list of keys: {error}") from error
    if len({type(one) for one in wanted}) > 1:
        raise BadRequest("the body must be a JSON list of texts or one of objects, not both in one")
    return [_part(one) for one in wanted]


def check_json(key: bytes, value: memoryview) -> None:
    """Check that a value is JSON.

    Raises:
        BadRequest: it is not.
    """
    try:
        _decode_raw(value)
    except (msgspec.MsgspecError, RecursionError, ValueError) as error:
        raise BadRequest(f"what is wanted of key {text_of(key)!r} is no JSON: {error}") from error


def encode_keys(keys: Iterable[bytes]) -> Iterator[bytes]:
    """Encode keys as a JSON list, in pieces."""
    source, separator = iter(keys), b"["
    while texts := texts_of(islice(source, _KEYS_AT_ONCE)):
        yield separator + _encode(texts)[1:-1]
        separator = b","
    yield b"]" if separator == b"," else b"[]"


def encode_object(pairs: Iterable[tuple[bytes, memoryview | None]]) -> Iterator[bytes | memoryview]:
    """Encode pairs as one JSON object, values as they are stored; a missing or an empty one is `{}`."""
    separator = b"{"
    for key, value in pairs:
        yield b"".join((separator, _encode(text_of(key)), b":"))
        yield value or b"{}"
        separator = b","
    yield b"}" if separator == b"," else b"{}"

"""JSON from strangers: decoded once, and refused where it says one thing twice."""

from __future__ import annotations

import json
from typing import Any

import msgspec

from dvid_framework.errors import BadRequest

__all__ = ["decode_json", "decoded_bytes"]

_LOOKED_AT_BYTES = 1 << 20  # of longer bodies, which are data, the last of two values of a key counts
_OBJECT, _LIST, _NUMBER = 400, 80, 40  # bytes in memory, about, and a little more


def decoded_bytes(body: bytes) -> int:
    """Return about how many bytes the values of a JSON body take once they are decoded: many times its length.

    An empty object has two letters, and is hundreds of bytes in memory.
    """
    return 3 * len(body) + _OBJECT * body.count(b"{") + _LIST * body.count(b"[") + _NUMBER * body.count(b",")


def decode_json(body: bytes, value_type: Any = Any, *, any_case: bool = False) -> Any:
    """Return JSON as a type.

    Args:
        body: the JSON.
        value_type: what it must be.
        any_case: keys of the outermost object match in any case, so that two may not differ by that alone.

    Raises:
        BadRequest: it is no JSON, not of that type, or an object has a key twice.
    """
    try:
        value = msgspec.json.decode(body, type=value_type)
        if len(body) <= _LOOKED_AT_BYTES and body.count(b":") > 1:
            json.loads(body, object_pairs_hook=_refuse_twins, parse_int=str, parse_float=str)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError, ValueError) as error:
        raise BadRequest(f"the body is not the JSON that is wanted: {error}") from error
    if any_case and isinstance(value, dict) and len({key.lower() for key in value}) < len(value):
        raise BadRequest("the body has a key twice, in upper and lower case")
    return value


def _refuse_twins(pairs: list[tuple[str, Any]]) -> None:
    if len(pairs) > 1 and len({key for key, _ in pairs}) < len(pairs):
        raise ValueError("an object has a key twice")

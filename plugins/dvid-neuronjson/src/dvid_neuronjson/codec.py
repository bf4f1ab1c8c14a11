"""A neuron as it is stored: its object without users and times, ready to be sent, and these behind it.

1 byte      version of this form
uint32 LE   bytes of the plain object
uint32 LE   bytes of the users
plain       {"bodyid":7,"type":"DA1"}
users       "type_user":"ann"                  the fields that end in _user, without braces
times       "type_time":"2026-11-22T11:48:48Z" those in _time
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Any

import msgspec

from dvid_framework.api import BadRequest, CorruptValue

__all__ = ["TIME", "USER", "Neuron", "decode_json", "encode_json", "encode_neuron", "is_meta"]

USER = "_user"
TIME = "_time"
_HEAD = struct.Struct("<BII")
_FORM = 1
encode_json = msgspec.json.Encoder().encode
_decode_any = msgspec.json.Decoder().decode


def is_meta(field: str) -> bool:
    """Tell whether a field says who set another one, or when."""
    return field.endswith((USER, TIME))


def decode_json(body: bytes | memoryview, what: str) -> Any:
    """Return JSON from a stranger; of two values of a key the last one counts.

    Raises:
        BadRequest: it is none, or nested too deeply, or a number is out of all bounds.
    """
    try:
        return _decode_any(body)
    except (msgspec.MsgspecError, RecursionError, ValueError) as error:
        raise BadRequest(f"{what} is not the JSON that is wanted: {error}") from error


def encode_neuron(fields: Mapping[str, Any]) -> bytes:
    """Return the stored form of a neuron: `bodyid` first, then the other fields in the order of their names."""
    plain: dict[str, Any] = {"bodyid": fields["bodyid"]}
    users: dict[str, Any] = {}
    times: dict[str, Any] = {}
    for name in sorted(fields):
        part = users if name.endswith(USER) else times if name.endswith(TIME) else plain
        part[name] = fields[name]
    first, second, third = encode_json(plain), encode_json(users)[1:-1], encode_json(times)[1:-1]
    return b"".join((_HEAD.pack(_FORM, len(first), len(second)), first, second, third))


class Neuron:
    """A stored neuron, taken apart without copying it.

    Attributes:
        plain: its JSON object without users and times.
        users: its fields that end in `_user`, as the inside of a JSON object; may be empty.
        times: those in `_time`.
    """

    __slots__ = ("plain", "times", "users")

    def __init__(self, stored: memoryview) -> None:
        """Take a stored value apart.

        Raises:
            CorruptValue: it is no stored neuron.
        """
        try:
            form, plain, users = _HEAD.unpack_from(stored)
        except struct.error as error:
            raise CorruptValue("a stored neuron is cut off") from error
        first = _HEAD.size + plain
        if form != _FORM or first + users > len(stored):
            raise CorruptValue("a stored neuron is malformed")
        self.plain = stored[_HEAD.size : first]
        self.users = stored[first : first + users]
        self.times = stored[first + users :]

    def show(self, users: bool, times: bool) -> bytes | memoryview:
        """Return the JSON object, with users or times or both if they are wanted."""
        extra = [part for part, wanted in ((self.users, users), (self.times, times)) if wanted and part]
        if not extra:
            return self.plain
        return b"".join((self.plain[:-1], *(piece for part in extra for piece in (b",", part)), b"}"))

    def fields(self) -> dict[str, Any]:
        """Return all fields."""
        found: dict[str, Any] = _decode_any(self.show(users=True, times=True))
        return found

"""What requests ask for."""

from __future__ import annotations

from typing import NamedTuple

from dvid_framework.api import BadRequest
from dvid_keyvalue.keys import text_of

__all__ = ["Part", "cut"]


class Part(NamedTuple):
    """A value, or a part of one.

    Attributes:
        key: the key.
        first: the first byte that is wanted; None for the whole value.
        last: the last one.
    """

    key: bytes
    first: int | None = None
    last: int | None = None

    @property
    def is_whole(self) -> bool:
        """Whether the whole value is wanted."""
        return self.first is None


def cut(value: memoryview, part: Part) -> memoryview:
    """Return the wanted part of a value.

    Raises:
        BadRequest: it does not lie within the value, or ends before it begins.
    """
    if part.first is None or part.last is None:
        return value
    if part.first > part.last:
        raise BadRequest(f"the first byte, {part.first}, comes after the last, {part.last}")
    if part.last >= len(value):
        raise BadRequest(f"bytes {part.first} to {part.last} are not within the {len(value)} of {text_of(part.key)!r}")
    return value[part.first : part.last + 1]

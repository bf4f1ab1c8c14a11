"""Stored keys: a class byte, then labels as big-endian uint64, so that what belongs to a vertex lies side by side.

v vertex             its weight
e smaller, larger    the weight of an edge
r larger, smaller    the same, so that all neighbours of a vertex are found
p vertex, name       a property of a vertex
q smaller, larger, name   a property of an edge
"""

from __future__ import annotations

import struct

from dvid_framework.api import BadRequest

__all__ = [
    "LARGEST",
    "after",
    "edge_key",
    "ends_of_key",
    "parse_vertex",
    "properties_of",
    "property_key",
    "reverse_key",
    "vertex_key",
    "vertex_of_key",
]

LARGEST = (1 << 64) - 1
_PAIR = struct.Struct(">QQ")
_MOST_DIGITS = 40
_MOST_NAME = 4000


def parse_vertex(text: str) -> int:
    """Return a vertex as an address names it.

    Raises:
        BadRequest: it is no number from 1 on, of 64 bits.
    """
    if text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS and 0 < int(text) <= LARGEST:
        return int(text)
    raise BadRequest(f"a vertex is a number from 1 to {LARGEST}, and not {text[:40]!r}")


def vertex_key(vertex: int) -> bytes:
    """Return the key of a vertex."""
    return b"v" + vertex.to_bytes(8, "big")


def edge_key(one: int, other: int) -> bytes:
    """Return the key of an edge."""
    return b"e" + _PAIR.pack(min(one, other), max(one, other))


def reverse_key(one: int, other: int) -> bytes:
    """Return the second key of an edge."""
    return b"r" + _PAIR.pack(max(one, other), min(one, other))


def vertex_of_key(key: bytes) -> int:
    """Return the vertex of a key."""
    return int.from_bytes(key[1:9], "big")


def ends_of_key(key: bytes) -> tuple[int, int]:
    """Return the two labels of an edge's key, as they stand in it."""
    one, other = _PAIR.unpack_from(key, 1)
    return one, other


def properties_of(one: int, other: int | None = None) -> bytes:
    """Return what the keys of a vertex's properties begin with, or those of an edge."""
    return b"p" + one.to_bytes(8, "big") if other is None else b"q" + edge_key(one, other)[1:]


def property_key(name: str, one: int, other: int | None = None) -> bytes:
    """Return the key of a property of a vertex, or of an edge.

    Raises:
        BadRequest: the name is too long.
    """
    encoded = name.encode("utf-8", "surrogateescape")
    if not 0 < len(encoded) <= _MOST_NAME:
        raise BadRequest(f"the name of a property has 1 to {_MOST_NAME} bytes")
    return properties_of(one, other) + encoded


def after(prefix: bytes) -> bytes:
    """Return the first key behind all that begin with a prefix."""
    trimmed = prefix.rstrip(b"\xff")
    return trimmed[:-1] + bytes((trimmed[-1] + 1,))

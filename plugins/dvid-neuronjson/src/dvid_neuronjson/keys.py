"""Stored keys, and the numbers of neurons as clients write them.

A neuron's key is a class byte and its number as a big-endian uint64, so that keys sort by number. A schema's key is
another class byte and its name.
"""

from __future__ import annotations

from dvid_framework.api import BadRequest

__all__ = ["LARGEST", "NEURONS", "id_of_key", "parse_bound", "parse_id", "range_of", "schema_key", "type_key"]

LARGEST = (1 << 64) - 1
_NEURON = b"n"
_SCHEMA = b"s"
NEURONS = (_NEURON, b"o")
"""Start and stop of the keys of all neurons."""
_MOST_DIGITS = 40


def type_key(number: int) -> bytes:
    """Return the stored key of a neuron."""
    return _NEURON + number.to_bytes(8, "big")


def schema_key(name: str) -> bytes:
    """Return the stored key of a schema."""
    return _SCHEMA + name.encode()


def id_of_key(key: bytes) -> int:
    """Return the neuron of a stored key."""
    return int.from_bytes(key[1:], "big")


def range_of(first: int, last: int) -> tuple[bytes, bytes]:
    """Return start and stop of the keys of the neurons from first to last, both included."""
    return type_key(first), (type_key(last + 1) if last < LARGEST else NEURONS[1])


def parse_id(text: str) -> int:
    """Return the neuron that a key of the wire names.

    Raises:
        BadRequest: it is no number of 64 bits.
    """
    if text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS and int(text) <= LARGEST:
        return int(text)
    raise BadRequest(f"a key is the number of a neuron, from 1 to {LARGEST}, and not {text[:40]!r}")


def parse_bound(text: str) -> int:
    """Return a bound of a range; one that begins with a letter after `9` is the largest, before `0` the smallest.

    Raises:
        BadRequest: it is something else that is no number.
    """
    if text[:1] > "9":
        return LARGEST
    if text[:1] < "0":
        return 0
    return parse_id(text)

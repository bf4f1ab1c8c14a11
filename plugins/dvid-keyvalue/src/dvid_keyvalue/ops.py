"""The operations on pairs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from dvid_framework.api import BadRequest, Txn, View
from dvid_keyvalue.keys import checked, text_of
from dvid_keyvalue.listing import check_json
from dvid_keyvalue.model import Part, cut

__all__ = ["MOST_KEYS", "MOST_PARTS", "check_pairs", "check_parts", "delete_key", "keys_after", "pairs_of", "put_pairs"]

MOST_PARTS = 1_000_000
"""How many keys one request may name."""
MOST_KEYS = 1 << 40
"""A limit of keys beyond which there is none."""
Pairs = Iterator[tuple[bytes, memoryview | None]]


def put_pairs(txn: Txn, pairs: Iterable[tuple[bytes, bytes]]) -> None:
    """Set keys, in order: of a key that comes twice the last value stays.

    Raises:
        BadRequest: a key is not allowed; nothing is written.
        TooLarge: it is more than one mutation may hold; nothing is written.
    """
    for key, value in pairs:
        txn.put(checked(key), value)
        txn.emit("postkv", Key=text_of(key), Bytes=len(value))


def delete_key(txn: Txn, key: bytes) -> None:
    """Make a key absent, whether or not it is there."""
    txn.delete(checked(key))
    txn.emit("delete", Key=text_of(key))


def keys_after(view: View, after: bytes, limit: int | None) -> Iterator[bytes]:
    """Yield all keys in byte order, or at most `limit` that come after `after`."""
    return islice(view.keys(after + b"\x00" if after else b""), limit)


def pairs_of(view: View, parts: Sequence[Part]) -> Pairs:
    """Yield what is wanted of each key, in the order asked for; None where there is no such key."""
    for part, value in zip(parts, view.get_each([part.key for part in parts]), strict=True):
        key, first, _ = part
        yield key, value if value is None or first is None else cut(value, part)


def check_parts(view: View, parts: Sequence[Part], as_json: bool, check: bool) -> None:
    """Find the errors of an answer before its first byte is sent.

    Args:
        view: where they will be read.
        parts: what is wanted.
        as_json: the answer will be JSON, so what is cut out must be JSON as well.
        check: every value must be JSON.

    Raises:
        BadRequest: a part lies outside its value, or is no JSON where it must be; or there are too many.
    """
    if len(parts) > MOST_PARTS:
        raise BadRequest(f"at most {MOST_PARTS} keys can be asked for at once")
    doubtful = parts if check and as_json else [part for part in parts if part.first is not None]
    for key, value in pairs_of(view, doubtful):
        if value and as_json:
            check_json(key, value)


def check_pairs(pairs: Iterable[tuple[bytes, memoryview]]) -> None:
    """Check that all values are JSON, or empty.

    Raises:
        BadRequest: one is not.
    """
    for key, value in pairs:
        if value:
            check_json(key, value)

"""Keys as clients name them, and as bytes."""

from __future__ import annotations

import re
from collections.abc import Iterable

from dvid_framework.api import BadRequest

__all__ = ["MOST_KEY_BYTES", "checked", "of_text", "range_of", "text_of", "texts_of"]

MOST_KEY_BYTES = 4096
"""A longer key is refused."""
_NOT_UTF8 = re.compile("[\udc80-\udcff]")


def of_text(text: str) -> bytes:
    """Return the bytes of a key in a URL or in JSON; bytes that are no UTF-8 come as surrogates."""
    return text.encode("utf-8", "surrogateescape")


def checked(key: bytes) -> bytes:
    """Return a key that is to be written, if it may be.

    Raises:
        BadRequest: it is empty or too long.
    """
    if not key:
        raise BadRequest("a key may not be empty")
    if len(key) > MOST_KEY_BYTES:
        raise BadRequest(
            f"a key has at most {MOST_KEY_BYTES} bytes; this one, {text_of(key[:40])!r}..., has {len(key)}"
        )
    return key


def range_of(first: str, last: str) -> tuple[bytes, bytes]:
    """Return (start, stop) of the keys from first to last, both included; stop is excluded."""
    return of_text(first), of_text(last) + b"\x00"


def text_of(key: bytes) -> str:
    """Return a key as JSON shows it: each byte that is no UTF-8 is U+FFFD."""
    try:
        return key.decode()
    except UnicodeDecodeError:
        return _NOT_UTF8.sub("\ufffd", key.decode("utf-8", "surrogateescape"))


def texts_of(keys: Iterable[bytes]) -> list[str]:
    """Return many keys as JSON shows them."""
    found = list(keys)
    try:
        return [key.decode() for key in found]
    except UnicodeDecodeError:
        return [text_of(key) for key in found]

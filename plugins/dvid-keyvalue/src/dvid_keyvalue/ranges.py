"""The header Range, as far as it is heeded: one range of bytes."""

from __future__ import annotations

import re

__all__ = ["parse_range"]

_RANGE = re.compile(r"bytes=\s*([0-9]*)\s*-\s*([0-9]*)\s*")
_MOST_DIGITS = 19


def parse_range(header: str, length: int) -> range | None:
    """Return which bytes of a value a header asks for; an empty range if none of them exists.

    None, so the header is to be ignored: another unit, several ranges, one that ends before it begins, or no range.
    """
    found = _RANGE.fullmatch(header.strip())
    if found is None or max(map(len, found.groups())) > _MOST_DIGITS or not any(found.groups()):
        return None
    first_text, last_text = found.groups()
    if not first_text:
        return range(max(length - int(last_text), 0), length)
    first, last = int(first_text), int(last_text or length)
    if last_text and first > last:
        return None
    return range(first, min(last + 1, length))

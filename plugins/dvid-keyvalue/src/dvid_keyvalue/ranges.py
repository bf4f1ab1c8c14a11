"""The header Range, as far as it is heeded: one range of bytes."""

from __future__ import annotations

__all__ = ["parse_range"]

_MOST_DIGITS = 19


def _is_number(text: str) -> bool:
    return not text or (text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS)


def parse_range(header: str, length: int) -> range | None:
    """Return which bytes of a value a header asks for; an empty range if none of them exists.

    None, so the header is to be ignored: another unit, several ranges, one that ends before it begins, or no range.
    """
    unit, _, wanted = header.partition("=")
    first_text, dash, last_text = (part.strip() for part in wanted.partition("-"))
    if unit.strip() != "bytes" or not dash or not (_is_number(first_text) and _is_number(last_text)):
        return None
    if not first_text:
        return range(max(length - int(last_text), 0), length) if last_text else None
    first, last = int(first_text), int(last_text or length)
    if last_text and first > last:
        return None
    return range(first, min(last + 1, length))

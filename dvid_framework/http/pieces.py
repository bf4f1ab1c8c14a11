"""What long answers are made of: small parts, joined to pieces that are worth a write to the socket."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

__all__ = ["in_pieces", "json_joined"]

Part = bytes | memoryview
_PIECE_BYTES = 1 << 20


def in_pieces(parts: Iterable[Part], size: int = _PIECE_BYTES) -> Iterator[Part]:
    """Join small parts until they have `size` bytes; a large one comes by itself, without a copy.

    Args:
        parts: what is sent, one after the other.
        size: bytes that a piece has at least, but for those before a large part, and the last one.
    """
    held: list[Part] = []
    count = 0
    for part in parts:
        if not len(part):
            continue
        if len(part) >= size and held:
            yield b"".join(held)
            held, count = [], 0
        held.append(part)
        count += len(part)
        if count >= size:
            yield held[0] if len(held) == 1 else b"".join(held)
            held, count = [], 0
    if count:
        yield b"".join(held)


def json_joined(
    items: Iterable[Part], begin: bytes = b"[", end: bytes = b"]", none: bytes | None = None
) -> Iterator[Part]:
    """Put commas between what is JSON already, and brackets around it.

    Args:
        items: elements of a list, or members of an object; one may be several with commas between them, or empty.
        begin: the first bracket.
        end: the last one.
        none: what stands for no items at all; the two brackets if it is not given.
    """
    separator = begin
    for item in items:
        if len(item):
            yield separator
            yield item
            separator = b","
    if separator is begin:
        yield begin + end if none is None else none
    else:
        yield end

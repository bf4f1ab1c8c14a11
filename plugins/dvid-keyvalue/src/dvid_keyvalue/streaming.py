"""Answers in pieces of a size that is worth a write to the socket."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

__all__ = ["PIECE_BYTES", "in_pieces"]

PIECE_BYTES = 4 << 20


def in_pieces(parts: Iterable[bytes | memoryview], size: int = PIECE_BYTES) -> Iterator[bytes | memoryview]:
    """Join small parts until they have `size` bytes; a large one comes by itself, without a copy."""
    held: list[bytes | memoryview] = []
    count = 0
    for part in parts:
        if not part:
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

"""Where the stored bytes of a chunk are: a key of the volume's kvstore, or the id of a chunk within shards."""

from __future__ import annotations

from dvid_framework.api import GridScale

__all__ = ["chunk_id", "chunk_key"]

_Triple = tuple[int, int, int]


def chunk_key(key: str, scale: GridScale, chunk: _Triple) -> str:
    """Return the key of a chunk that is a value of its own, such as `8_8_8/0-64_64-128_0-32`."""
    parts = []
    for number, side, low, size in zip(chunk, scale.chunk_size, scale.offset, scale.size, strict=True):
        first = number * side
        parts.append(f"{low + first}-{low + min(first + side, size)}")
    return f"{key}/{'_'.join(parts)}"


def chunk_id(scale: GridScale, chunk: _Triple) -> bytes:
    """Return the id of a chunk within shards, as 8 bytes, big-endian: the compressed Morton code of its position."""
    counts = [-(-size // side) for size, side in zip(scale.size, scale.chunk_size, strict=True)]
    bits = [(count - 1).bit_length() for count in counts]
    code = position = 0
    for bit in range(max(bits)):
        for axis in range(3):
            if bit < bits[axis]:
                code |= (chunk[axis] >> bit & 1) << position
                position += 1
    return code.to_bytes(8, "big")

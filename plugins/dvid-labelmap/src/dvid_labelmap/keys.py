"""Type keys: blocks sort by scale, z, y, x."""

from __future__ import annotations

from struct import Struct

from dvid_voxels.geometry import Triple

__all__ = ["COUNTERS", "EXTENTS", "MAX_LABEL", "after_block_row", "block_bounds", "block_coordinate", "block_key"]

_BLOCK = 186
_SHIFT = 1 << 31
_KEY = Struct(">BBIII")

MAX_LABEL = bytes((237,))
"""The largest label of a version: uint64, little-endian."""
COUNTERS = bytes((238,))
"""What all versions share: the largest label of the repo, and reserved labels (msgpack)."""
EXTENTS = bytes((242,))
"""The extents that a version has of its own (msgpack)."""


def block_key(scale: int, coordinate: Triple) -> bytes:
    """Return the key of a block: class, scale, then z, y, x as big-endian uint32 with 2^31 added.

    Args:
        scale: 0 to 255.
        coordinate: block coordinate (x, y, z), int32.
    """
    x, y, z = coordinate
    return _KEY.pack(_BLOCK, scale, z + _SHIFT, y + _SHIFT, x + _SHIFT)


def after_block_row(scale: int, coordinate: Triple) -> bytes:
    """Return the smallest key after a block's: where a scan that includes the block stops."""
    return block_key(scale, coordinate) + b"\x00"


def block_coordinate(key: bytes) -> tuple[int, Triple]:
    """Return the scale and the block coordinate (x, y, z) of a block's key."""
    _, scale, z, y, x = _KEY.unpack(key)
    return scale, (x - _SHIFT, y - _SHIFT, z - _SHIFT)


def block_bounds() -> tuple[bytes, bytes]:
    """Return (start, stop) of the keys of all blocks."""
    return bytes((_BLOCK,)), bytes((_BLOCK + 1,))

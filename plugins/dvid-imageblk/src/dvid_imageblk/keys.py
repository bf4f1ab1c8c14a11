"""Type keys: blocks sort by scale, z, y, x, as integers do."""

from __future__ import annotations

from struct import Struct

from dvid_voxels.geometry import Triple

__all__ = ["CHANNELS", "EXTENTS", "after_block_row", "block_bounds", "block_coordinate", "block_key"]

_BLOCK, _LOW_BLOCK = 23, 25
_SHIFT = 1 << 31
_KEY = Struct(">BIII")
_LOW_KEY = Struct(">BBIII")

EXTENTS = bytes((24,))
"""The extents that a version has of its own (msgpack)."""
CHANNELS = bytes((26,))
"""What the channels of a version are (msgpack)."""


def block_key(scale: int, coordinate: Triple) -> bytes:
    """Return the key of a block: class, below scale 0 the scale, then z, y, x as big-endian uint32 with 2^31 added.

    Args:
        scale: 0 to 255.
        coordinate: block coordinate (x, y, z), int32.
    """
    x, y, z = coordinate
    if scale == 0:
        return _KEY.pack(_BLOCK, z + _SHIFT, y + _SHIFT, x + _SHIFT)
    return _LOW_KEY.pack(_LOW_BLOCK, scale, z + _SHIFT, y + _SHIFT, x + _SHIFT)


def after_block_row(scale: int, coordinate: Triple) -> bytes:
    """Return the smallest key after a block's: where a scan that includes the block stops."""
    return block_key(scale, coordinate) + b"\x00"


def block_coordinate(key: bytes) -> tuple[int, Triple]:
    """Return the scale and the block coordinate (x, y, z) of a block's key."""
    if key[0] == _BLOCK:
        _, z, y, x = _KEY.unpack(key)
        return 0, (x - _SHIFT, y - _SHIFT, z - _SHIFT)
    _, scale, z, y, x = _LOW_KEY.unpack(key)
    return scale, (x - _SHIFT, y - _SHIFT, z - _SHIFT)


def block_bounds() -> tuple[tuple[bytes, bytes], ...]:
    """Return (start, stop) of the keys of all blocks: of scale 0, and of the others."""
    return tuple((bytes((kind,)), bytes((kind + 1,))) for kind in (_BLOCK, _LOW_BLOCK))

"""Keys of tiles: plane, scale and tile coordinate, in the form that DVID has, so that they sort by plane and scale."""

from __future__ import annotations

import struct
from typing import NamedTuple

from dvid_voxels.geometry import GeometryError, Triple, parse_triple
from dvid_voxels.shapes import Dims, parse_dims

from dvid_framework.api import BadRequest, refusing

__all__ = ["TileAddress", "encode_tile", "parse_address", "store_key"]

_AXES = 3
_SIGN = 1 << 31
_MOST_SCALE = 255
_HEAD = struct.Struct(">BB5sBB3I")


class TileAddress(NamedTuple):
    """Where a tile is.

    Attributes:
        dims: its plane.
        scale: its level.
        coordinate: x, y, z: along the plane's axes the number of the tile, across it the voxel.
    """

    dims: Dims
    scale: int
    coordinate: Triple


def parse_address(dims: str, scaling: str, coordinate: str) -> TileAddress:
    """Parse `xy`, `0`, `3_4_100`.

    Raises:
        BadRequest: a part can't be parsed.
    """
    if not (scaling.isascii() and scaling.isdigit() and len(scaling) <= 3 and int(scaling) <= _MOST_SCALE):
        raise BadRequest(f"the scaling must be a number from 0 to {_MOST_SCALE}, and not {scaling[:20]!r}")
    with refusing(GeometryError):
        return TileAddress(parse_dims(dims), int(scaling), parse_triple(coordinate))


def encode_tile(address: TileAddress) -> bytes:
    """Return the type key of a tile, 21 bytes: axes, scale, then z, y, x big-endian with the sign flipped."""
    axes = address.dims.value
    x, y, z = (number + _SIGN for number in address.coordinate)
    return _HEAD.pack(_AXES, len(axes), bytes(axes).ljust(5, b"\0"), address.scale, _AXES, z, y, x)


def store_key(address: TileAddress, instance: int, version: int) -> bytes:
    """Return the key that DVID's stores have for a tile."""
    return b"\x01" + struct.pack(">I", instance) + encode_tile(address) + struct.pack(">IIB", version, 0, 3)

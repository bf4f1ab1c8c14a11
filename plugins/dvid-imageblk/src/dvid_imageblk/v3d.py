"""Image stacks in the raw format of V3D (Vaa3D): a short header, then the channels one after the other."""

from __future__ import annotations

from struct import Struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dvid_framework.api import BadRequest

__all__ = ["read_v3d"]

_MAGIC = b"raw_image_stack_by_hpeng"
_HEADER = Struct("<24scHIIII")
_MOST_CHANNELS = 255


def read_v3d(body: bytes) -> NDArray[Any]:
    """Return the voxels of a stack, uint8 or uint16 (channel, z, y, x), without a copy.

    Raises:
        BadRequest: it is no such stack, is big-endian, or has not the length that its header tells.
    """
    if len(body) < _HEADER.size or body[: len(_MAGIC)] != _MAGIC:
        raise BadRequest(f"the body is no V3D raw stack: it does not begin with {_MAGIC.decode()!r} and a header")
    _, order, size, width, height, depth, channels = _HEADER.unpack_from(body)
    if order != b"L":
        raise BadRequest("only little-endian V3D raw stacks are read (byte order L)")
    if size not in (1, 2) or not 1 <= channels <= _MOST_CHANNELS or 0 in (width, height, depth):
        raise BadRequest(
            f"the stack has {channels} channels of {width} x {height} x {depth} voxels of {size} bytes; "
            f"1 to {_MOST_CHANNELS} channels of 1 or 2 bytes are read"
        )
    expected = size * width * height * depth * channels
    if len(body) - _HEADER.size != expected:
        raise BadRequest(f"behind the header there must be {expected} bytes, but there are {len(body) - _HEADER.size}")
    voxels: NDArray[Any] = np.frombuffer(body, f"<u{size}", offset=_HEADER.size)
    return voxels.reshape(channels, depth, height, width)

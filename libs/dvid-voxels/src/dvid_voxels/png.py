"""PNG of 8 and 16 bits, written by our own hand: quicker than Pillow, and with 16 bits in every channel."""

import struct
import zlib

import numpy as np
from isal import isal_zlib
from numpy.typing import NDArray

from dvid_voxels.geometry import GeometryError

__all__ = ["encode_png"]

#: Up: neighbouring rows are alike, so most bytes become small.
_FILTER_UP = 2
_COLOR_TYPES = {1: 0, 3: 2, 4: 6}


def encode_png(pixels: NDArray[np.uint8] | NDArray[np.uint16]) -> bytes:
    """Encode a gray, RGB or RGBA image.

    Args:
        pixels: uint8 or uint16 (rows, columns), or (rows, columns, 3 or 4); uint16 in any byte order.

    Raises:
        GeometryError: the array is not such.
    """
    channels = 1 if pixels.ndim == 2 else pixels.shape[2] if pixels.ndim == 3 else 0
    if pixels.dtype.kind != "u" or pixels.itemsize > 2 or channels not in _COLOR_TYPES or 0 in pixels.shape:
        raise GeometryError(f"no image can be made of {pixels.dtype} {pixels.shape}")
    rows, columns = pixels.shape[:2]
    wide = pixels.itemsize == 2
    stored = np.ascontiguousarray(pixels, ">u2" if wide else np.uint8).view(np.uint8).reshape(rows, -1)
    filtered = np.empty((rows, 1 + stored.shape[1]), np.uint8)
    filtered[:, 0] = _FILTER_UP
    filtered[0, 1:] = stored[0]
    np.subtract(stored[1:], stored[:-1], out=filtered[1:, 1:])
    header = struct.pack(">IIBBBBB", columns, rows, 16 if wide else 8, _COLOR_TYPES[channels], 0, 0, 0)
    data = isal_zlib.compress(filtered.data.cast("B"), 1)
    return b"\x89PNG\r\n\x1a\n" + b"".join((_chunk(b"IHDR", header), _chunk(b"IDAT", data), _chunk(b"IEND", b"")))


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", isal_zlib.crc32(data, zlib.crc32(kind)))

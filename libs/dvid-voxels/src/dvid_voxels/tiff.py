"""TIFF that keeps every bit: 8 or 16 bits in one, three or four channels, deflated."""

import struct

import numpy as np
from isal import isal_zlib
from numpy.typing import NDArray

from dvid_voxels.geometry import GeometryError

__all__ = ["encode_tiff"]

_SHORT, _LONG = 3, 4
_DEFLATE = 8
_HEADER = struct.pack("<2sHI", b"II", 42, 8)


def encode_tiff(pixels: NDArray[np.uint8] | NDArray[np.uint16]) -> bytes:
    """Encode a gray, RGB or RGBA image; alpha is not premultiplied.

    Args:
        pixels: uint8 or uint16 (rows, columns), or (rows, columns, 3 or 4); uint16 in any byte order.

    Raises:
        GeometryError: the array is not such.
    """
    channels = 1 if pixels.ndim == 2 else pixels.shape[2] if pixels.ndim == 3 else 0
    if pixels.dtype.kind != "u" or pixels.itemsize > 2 or channels not in (1, 3, 4) or 0 in pixels.shape:
        raise GeometryError(f"no image can be made of {pixels.dtype} {pixels.shape}")
    rows, columns = pixels.shape[:2]
    stored = np.ascontiguousarray(pixels, "<u2" if pixels.itemsize == 2 else np.uint8)
    data = isal_zlib.compress(stored.data.cast("B"), 1)
    bits = [8 * pixels.itemsize] * channels
    fields: list[tuple[int, int, list[int]]] = [
        (256, _LONG, [columns]),
        (257, _LONG, [rows]),
        (258, _SHORT, bits),
        (259, _SHORT, [_DEFLATE]),
        (262, _SHORT, [1 if channels == 1 else 2]),  # black is zero, or RGB
        (273, _LONG, [0]),  # where the one strip is: told below
        (277, _SHORT, [channels]),
        (278, _LONG, [rows]),
        (279, _LONG, [len(data)]),
    ]
    if channels == 4:
        fields.append((338, _SHORT, [2]))  # unassociated alpha
    return _file(fields, data)


def _file(fields: list[tuple[int, int, list[int]]], data: bytes) -> bytes:
    """Put together header, directory, the values that are too long for it, and the strip."""
    behind = len(_HEADER) + 2 + 12 * len(fields) + 4
    extra = b"".join(_packed(kind, values) for _, kind, values in fields if len(_packed(kind, values)) > 4)
    strip = behind + len(extra)
    entries, at = [], behind
    for tag, kind, values in fields:
        packed = _packed(kind, [strip] if tag == 273 else values)
        if len(packed) > 4:
            entries.append(struct.pack("<HHII", tag, kind, len(values), at))
            at += len(packed)
        else:
            entries.append(struct.pack("<HHI", tag, kind, len(values)) + packed.ljust(4, b"\0"))
    directory = struct.pack("<H", len(fields)) + b"".join(entries) + bytes(4)
    return b"".join((_HEADER, directory, extra, data))


def _packed(kind: int, values: list[int]) -> bytes:
    return struct.pack(f"<{len(values)}{'H' if kind == _SHORT else 'I'}", *values)

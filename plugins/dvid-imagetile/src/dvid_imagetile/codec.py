"""Tiles as bytes: PNG, JPEG, and the LZ4 framing that DVID's tiles have."""

from __future__ import annotations

import struct
from io import BytesIO
from typing import Any

import lz4.block
import numpy as np
from dvid_voxels.images import Format, encode_image
from dvid_voxels.png import encode_png
from dvid_voxels.voxel_images import encode_voxel_image, pixels_of
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from dvid_framework.api import BadRequest, PixelType

__all__ = ["CONTENT_TYPES", "blank_image", "decode_pixels", "encode_tile_image", "lz4_as_png", "voxels_of"]

CONTENT_TYPES = {"png": "image/png", "jpg": "image/jpeg", "lz4": "image/png"}
_MOST_PIXELS = 1 << 26
_QUALITY = 80
_LZ4, _PLAIN = 0x80, 0x00
_VALUE_TYPES = {"uint8": 0, "uint16": 2, "uint32": 4, "uint64": 6, "float32": 8}
_CHANNEL_NAMES = ("red", "green", "blue", "alpha")
# by the number of the kind: type of a channel, and channels
_KINDS = (("u1", 1), (">u2", 1), ("u1", 4), (">u2", 4))
_IMAGE = struct.Struct("<iii")
Pixels = NDArray[Any]


def blank_image(width: int, height: int, image_format: Format) -> tuple[bytes, str]:
    """Return an image of zeros, 8-bit gray, and its content type."""
    return encode_image(np.zeros((height, width), np.uint8), image_format)


# -- the LZ4 framing


def _unframed(tile: bytes) -> bytes:
    """Take away the compression."""
    if not tile:
        raise ValueError("it is empty")
    if tile[0] == _PLAIN:
        return tile[1:]
    if tile[0] != _LZ4 or len(tile) < 5:
        raise ValueError("its compression is unknown")
    (size,) = struct.unpack_from("<I", tile, 1)
    if size > 8 * _MOST_PIXELS + 4096 or size > 255 * len(tile) + 64:
        raise ValueError("it is too large")
    found: bytes = lz4.block.decompress(tile[5:], uncompressed_size=size)
    return found


def _decode_lz4(tile: bytes) -> Pixels:
    """Return the pixels of a framed tile: (rows, columns) or (rows, columns, 4) of uint8 or big-endian uint16."""
    body = _unframed(tile)
    (format_bytes,) = struct.unpack_from("<I", body)
    at = 4 + format_bytes
    kind = body[at]
    stride, width, height = _IMAGE.unpack_from(body, at + 1)
    dtype, channels = _KINDS[kind]
    row = width * channels * np.dtype(dtype).itemsize
    if not (width > 0 and height > 0 and width * height <= _MOST_PIXELS and row <= stride):
        raise ValueError("its sizes make no sense")
    first = at + 1 + _IMAGE.size
    if len(body) < first + stride * (height - 1) + row:
        raise ValueError("it is too short")
    rows = np.lib.stride_tricks.as_strided(
        np.frombuffer(body, np.uint8, offset=first), (height, row), (stride, 1), writeable=False
    )
    pixels = np.ascontiguousarray(rows).view(dtype)
    return pixels if channels == 1 else pixels.reshape(height, width, channels)


def _encode_lz4(pixels: Pixels, kind: PixelType) -> bytes:
    names = [kind.data_type] if kind.channels == 1 else list(_CHANNEL_NAMES[: kind.channels])
    values = struct.pack("<h", len(names)) + b"".join(
        struct.pack("<bH", _VALUE_TYPES[kind.data_type], len(name)) + name.encode() for name in names
    )
    number = (1 if pixels.itemsize == 2 else 0) + (2 if pixels.ndim == 3 else 0)
    stored = np.ascontiguousarray(pixels, _KINDS[number][0])
    height, width = pixels.shape[:2]
    image = bytes([number]) + _IMAGE.pack(stored.nbytes // height, width, height) + stored.tobytes()
    packed: bytes = lz4.block.compress(struct.pack("<I", len(values)) + values + image, store_size=True)
    return bytes([_LZ4]) + packed


def lz4_as_png(tile: bytes) -> bytes:
    """Return a framed tile as PNG.

    Raises:
        BadRequest: it is malformed.
    """
    try:
        pixels = _decode_lz4(tile)
    except (ValueError, IndexError, struct.error, lz4.block.LZ4BlockError) as error:
        raise BadRequest(f"the stored tile is not in the LZ4 framing: {error}") from error
    if pixels.ndim == 3 and (pixels[:, :, 3] == np.iinfo(pixels.dtype).max).all():
        pixels = pixels[:, :, :3]
    return encode_png(pixels)


# -- tiles of a volume


def encode_tile_image(voxels: NDArray[Any], kind: PixelType, form: str) -> bytes:
    """Encode the voxels (rows, columns) or (rows, columns, 4) of a tile as `png`, `jpg` or `lz4`; always the same."""
    if form == "lz4":
        return _encode_lz4(pixels_of(voxels), kind)
    return encode_voxel_image(voxels, Format("png") if form == "png" else Format("jpg", _QUALITY))[0]


def decode_pixels(tile: bytes, form: str, kind: PixelType) -> Pixels | None:
    """Return the pixels of a stored tile in the shape that `voxels_of` takes, or None if it can't be decoded."""
    try:
        if form == "lz4":
            return _fitting(_decode_lz4(tile), kind)
        with Image.open(BytesIO(tile), formats=("PNG", "JPEG")) as picture:
            if picture.width * picture.height > _MOST_PIXELS or kind.data_type == "uint64":
                return None
            deep = kind.data_type == "uint16"
            if not deep:
                return np.asarray(picture.convert("L" if _is_gray(kind) else "RGBA"))
            return np.asarray(picture if picture.mode.startswith("I") else picture.convert("L")).astype(np.uint16)
    except (ValueError, IndexError, OSError, SyntaxError, struct.error, lz4.block.LZ4BlockError):
        return None
    except (UnidentifiedImageError, Image.DecompressionBombError):
        return None


def _is_gray(kind: PixelType) -> bool:
    return kind.channels == 1 and kind.data_type in ("uint8", "uint16")


def _fitting(pixels: Pixels, kind: PixelType) -> Pixels | None:
    """A tile of another kind than the volume's can't be a part of its image."""
    deep = kind.data_type in ("uint16", "uint64")
    fits = (pixels.ndim == 2) == _is_gray(kind) and (pixels.itemsize == 2) == deep
    return pixels if fits else None


def voxels_of(pixels: Pixels, kind: PixelType) -> NDArray[Any]:
    """Turn pixels back into voxels: the reverse of `dvid_voxels.voxel_images.pixels_of`."""
    if _is_gray(kind) or kind.channels > 1:
        return pixels.astype(kind.data_type)
    rows, columns = pixels.shape[:2]
    stored = np.ascontiguousarray(pixels, ">u2" if kind.data_type == "uint64" else "u1")
    dtype = np.dtype(kind.data_type).newbyteorder("<")
    return stored.view(dtype).reshape(rows, columns).astype(kind.data_type)

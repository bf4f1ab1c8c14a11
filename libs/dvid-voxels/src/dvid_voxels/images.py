"""Slices as PNG, JPEG, TIFF and BMP."""

import io
import struct
import zlib
from dataclasses import dataclass

import numpy as np
import simplejpeg
from isal import isal_zlib
from numpy.typing import NDArray
from PIL import Image

from dvid_voxels.geometry import GeometryError

__all__ = ["Format", "encode_image", "encode_label_image", "encode_png_rgba16", "parse_format"]

_QUALITY = 80
_CONTENT_TYPES = {"png": "image/png", "jpg": "image/jpeg", "tif": "image/tiff", "bmp": "image/bmp"}
_ALIASES = {"": "png", "jpeg": "jpg", "tiff": "tif"}
#: Up: neighbouring rows of labels are mostly equal, so most bytes become 0.
_FILTER_UP = 2


@dataclass(frozen=True, slots=True)
class Format:
    """An image format: `name` is png, jpg, tif or bmp; `quality` 1 to 100 counts for jpg only."""

    name: str
    quality: int = _QUALITY

    @property
    def content_type(self) -> str:
        """For the HTTP header."""
        return _CONTENT_TYPES[self.name]


def parse_format(text: str = "") -> Format:
    """Parse `png` (also ``""``), `jpg`, `jpg:80`, `jpeg`, `tif`, `tiff`, `bmp`, in any case.

    Raises:
        GeometryError: it is something else, or the quality is not 1 to 100.
    """
    name, colon, quality = text.lower().partition(":")
    name = _ALIASES.get(name, name)
    if name not in _CONTENT_TYPES or (colon and name != "jpg"):
        raise GeometryError(f"the format {text[:20]!r} is none of png, jpg, jpg:QUALITY, jpeg, tif, tiff, bmp")
    if not colon:
        return Format(name)
    number = int(quality) if quality.isascii() and quality.isdigit() and len(quality) <= 3 else 0
    if not 1 <= number <= 100:
        raise GeometryError(f"the quality in {text[:20]!r} is not 1 to 100")
    return Format(name, number)


def encode_image(pixels: NDArray[np.uint8], image_format: Format) -> tuple[bytes, str]:
    """Encode a gray, RGB or RGBA image.

    Args:
        pixels: uint8 (rows, columns), (rows, columns, 3) or (rows, columns, 4); JPEG drops the fourth channel.
        image_format: see `parse_format`.

    Returns:
        The bytes and the content type.

    Raises:
        GeometryError: the array is not such, or too large for the format.
    """
    legal = pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[2] in (3, 4))
    if pixels.dtype != np.uint8 or not legal or 0 in pixels.shape:
        raise GeometryError(f"no image can be made of {pixels.dtype} {pixels.shape}")
    if image_format.name == "jpg":
        return _jpeg(pixels, image_format.quality), image_format.content_type
    buffer = io.BytesIO()
    image = Image.fromarray(np.ascontiguousarray(pixels))
    if image_format.name == "png":
        image.save(buffer, "PNG", compress_level=1)
    else:
        image.save(buffer, "TIFF" if image_format.name == "tif" else "BMP")
    return buffer.getvalue(), image_format.content_type


def _jpeg(pixels: NDArray[np.uint8], quality: int) -> bytes:
    if max(pixels.shape[:2]) > 65500:
        raise GeometryError("a JPEG has at most 65500 rows and columns")
    gray = pixels.ndim == 2
    solid = pixels[:, :, None] if gray else pixels[:, :, :3]
    return bytes(
        simplejpeg.encode_jpeg(
            np.ascontiguousarray(solid),
            quality=quality,
            colorspace="GRAY" if gray else "RGB",
            colorsubsampling="Gray" if gray else "420",
        )
    )


def encode_label_image(labels: NDArray[np.uint64], image_format: Format) -> tuple[bytes, str]:
    """Encode a slice of labels as DVID does.

    Args:
        labels: uint64 (rows, columns).
        image_format: png keeps the labels exactly, see `encode_png_rgba16`; the others show the high bytes of its four
            16-bit channels, and JPEG only three of them.

    Returns:
        The bytes and the content type.
    """
    if image_format.name == "png":
        return encode_png_rgba16(labels), image_format.content_type
    channels = np.ascontiguousarray(labels, "<u8").view(np.uint8).reshape(*labels.shape, 8)
    return encode_image(channels[:, :, ::2], image_format)


def encode_png_rgba16(labels: NDArray[np.uint64]) -> bytes:
    """Encode labels as 16-bit RGBA PNG.

    The 8 bytes of a pixel, as they stand in the file, are the little-endian bytes of its label.

    Args:
        labels: uint64 (rows, columns).

    Raises:
        GeometryError: the array is not such.
    """
    if labels.ndim != 2 or 0 in labels.shape:
        raise GeometryError(f"no image can be made of {labels.dtype} {labels.shape}")
    rows, columns = labels.shape
    pixels = np.ascontiguousarray(labels, "<u8").view(np.uint8)
    filtered = np.empty((rows, 1 + 8 * columns), np.uint8)
    filtered[:, 0] = _FILTER_UP
    filtered[0, 1:] = pixels[0]
    np.subtract(pixels[1:], pixels[:-1], out=filtered[1:, 1:])
    header = struct.pack(">IIBBBBB", columns, rows, 16, 6, 0, 0, 0)
    data = isal_zlib.compress(filtered.data.cast("B"), 1)
    return b"\x89PNG\r\n\x1a\n" + b"".join((_chunk(b"IHDR", header), _chunk(b"IDAT", data), _chunk(b"IEND", b"")))


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(data, zlib.crc32(kind)))

"""Slices as PNG, JPEG, TIFF and BMP."""

import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dvid_voxels.geometry import GeometryError
from dvid_voxels.png import encode_png

__all__ = ["MOST_JPEG_SIDE", "Format", "encode_image", "encode_label_image", "encode_png_rgba16", "parse_format"]

_QUALITY = 80
MOST_JPEG_SIDE = 65500
"""Rows or columns of a JPEG."""
_LONGEST_QUALITY = 9
_CONTENT_TYPES = {"png": "image/png", "jpg": "image/jpeg", "tif": "image/tiff", "bmp": "image/bmp"}
_ALIASES = {"": "png", "jpeg": "jpg", "tiff": "tif"}


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

    A number behind a colon is the quality of a JPEG, brought into 1 to 100, and means nothing for the others.

    Raises:
        GeometryError: it is something else, or what follows the colon is no number.
    """
    name, colon, quality = text.lower().partition(":")
    name = _ALIASES.get(name, name)
    if name not in _CONTENT_TYPES:
        raise GeometryError(f"the format {text[:20]!r} is none of png, jpg, jpg:QUALITY, jpeg, tif, tiff, bmp")
    if not colon:
        return Format(name)
    digits = quality[1:] if quality[:1] in ("-", "+") else quality
    if not (digits.isascii() and digits.isdigit() and len(digits) <= _LONGEST_QUALITY):
        raise GeometryError(f"the quality in {text[:20]!r} is no number from 1 to 100")
    return Format(name, min(max(int(quality), 1), 100) if name == "jpg" else _QUALITY)


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
    if image_format.name == "png":
        return encode_png(pixels), image_format.content_type
    buffer = io.BytesIO()
    image = Image.fromarray(np.ascontiguousarray(pixels))
    image.save(buffer, "TIFF" if image_format.name == "tif" else "BMP")
    return buffer.getvalue(), image_format.content_type


def _jpeg(pixels: NDArray[np.uint8], quality: int) -> bytes:
    # By Pillow and not simplejpeg, which always uses the quicker and less exact transform.
    if max(pixels.shape[:2]) > MOST_JPEG_SIDE:
        raise GeometryError(f"a JPEG has at most {MOST_JPEG_SIDE} rows and columns")
    solid = np.ascontiguousarray(pixels if pixels.ndim == 2 else pixels[:, :, :3])
    buffer = io.BytesIO()
    Image.fromarray(solid).save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


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
    return encode_png(np.ascontiguousarray(labels, "<u8").view(">u2").reshape(*labels.shape, 4))

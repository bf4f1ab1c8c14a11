"""Slices of voxels of any type as images."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dvid_voxels.geometry import GeometryError
from dvid_voxels.images import Format, encode_image
from dvid_voxels.png import encode_png
from dvid_voxels.tiff import encode_tiff

__all__ = ["encode_voxel_image", "pixels_of"]


def pixels_of(voxels: NDArray[Any]) -> NDArray[np.uint8] | NDArray[np.uint16]:
    """Show voxels as pixels, as DVID does.

    Args:
        voxels: (rows, columns) of uint8, uint16, uint32, float32 or uint64, or (rows, columns, 4) of uint8.

    Returns:
        Gray of 8 or 16 bits as they are; the four little-endian bytes of a voxel as 8-bit RGBA; the eight bytes of one
        as 16-bit RGBA, each channel big-endian.

    Raises:
        GeometryError: they are not such voxels.
    """
    kind = voxels.dtype.name
    if voxels.ndim == 2 and kind in ("uint8", "uint16"):
        return voxels
    if voxels.ndim == 3 and voxels.shape[2] == 4 and kind == "uint8":
        return voxels
    if voxels.ndim == 2 and kind in ("uint32", "float32"):
        stored = np.ascontiguousarray(voxels, voxels.dtype.newbyteorder("<"))
        return stored.view(np.uint8).reshape(*voxels.shape, 4)
    if voxels.ndim == 2 and kind == "uint64":
        return np.ascontiguousarray(voxels, "<u8").view(">u2").reshape(*voxels.shape, 4)
    raise GeometryError(f"no image can be made of {voxels.dtype} {voxels.shape}")


def encode_voxel_image(voxels: NDArray[Any], image_format: Format) -> tuple[bytes, str]:
    """Encode a slice.

    PNG and TIFF keep all bits; PNG leaves out an alpha channel that is opaque everywhere. JPEG and BMP have 8 bits:
    those of 16-bit gray are RGB of the high bytes, those of RGBA are RGB over black.

    Args:
        voxels: see `pixels_of`.
        image_format: the format.

    Returns:
        The bytes and the content type.

    Raises:
        GeometryError: no such image can be made.
    """
    pixels = pixels_of(voxels)
    if image_format.name == "png":
        return encode_png(_without_opaque(pixels)), image_format.content_type
    if image_format.name == "tif":
        return encode_tiff(pixels), image_format.content_type
    return encode_image(_eight_bits(pixels), image_format)


def _without_opaque(pixels: NDArray[Any]) -> NDArray[Any]:
    if pixels.ndim == 3 and (pixels[:, :, 3] == np.iinfo(pixels.dtype).max).all():
        return pixels[:, :, :3]
    return pixels


def _eight_bits(pixels: NDArray[Any]) -> NDArray[np.uint8]:
    """Gray of 8 bits as it is; gray of 16 bits and RGBA as 8-bit RGB."""
    if pixels.ndim == 2:
        if pixels.dtype == np.uint8:
            return pixels
        high = (pixels >> 8).astype(np.uint8)
        return np.stack((high, high, high), axis=-1)
    wide = pixels.astype(np.uint32)
    if pixels.dtype == np.uint8:
        wide *= 257
    over_black: NDArray[np.uint8] = (wide[:, :, :3] * wide[:, :, 3:] // 65535 >> 8).astype(np.uint8)
    return over_black

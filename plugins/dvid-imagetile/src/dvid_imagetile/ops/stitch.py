"""Images of any place and size, stitched from the tiles of the finest level."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from dvid_voxels.geometry import Box, Triple
from dvid_voxels.images import Format
from dvid_voxels.scaling import isotropic_size, scale_image
from dvid_voxels.shapes import Shape
from dvid_voxels.voxel_images import encode_voxel_image, pixels_of
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from dvid_framework.api import BadRequest, PixelType, VersionRecord, View
from dvid_imagetile.codec import decode_pixels, voxels_of
from dvid_imagetile.keys import TileAddress, encode_tile

if TYPE_CHECKING:
    from dvid_imagetile.instance import ImageTileInstance

__all__ = ["check_image", "isotropic_image", "stitched_image"]

_MOST_PIXELS = 1 << 26
_MOST_TILES = 1 << 16


def check_image(shape: Shape) -> None:
    """Check that an image can be made of what is asked for.

    Raises:
        BadRequest: it is a volume, or too large.
    """
    if not shape.dims.is_plane:
        raise BadRequest("an image is of a plane: xy, xz or yz")
    if shape.box.voxels > _MOST_PIXELS:
        raise BadRequest(f"an image has at most {_MOST_PIXELS} pixels")


def _tile_addresses(shape: Shape, side: Triple) -> Iterator[TileAddress]:
    """Yield the tiles that an image touches, but none at a negative coordinate along the plane."""
    across, down = shape.dims.value
    first, last = shape.box.offset, shape.box.last
    for row in range(max(first[down] // side[down], 0), last[down] // side[down] + 1):
        for column in range(max(first[across] // side[across], 0), last[across] // side[across] + 1):
            coordinate = list(first)
            coordinate[across], coordinate[down] = column, row
            yield TileAddress(shape.dims, 0, (coordinate[0], coordinate[1], coordinate[2]))


def _placeholder(address: TileAddress, width: int, height: int, kind: PixelType) -> NDArray[Any]:
    """Return the pixels of a text that says which tile is missing."""
    x, y, z = address.coordinate
    picture = Image.new("L", (width, height))
    ImageDraw.Draw(picture).text((2, 2), f"{address.dims.name.lower()} {x},{y},{z}\nmissing", fill=255)
    gray = np.asarray(picture)
    like = pixels_of(np.zeros((1, 1) if kind.channels == 1 else (1, 1, 4), kind.data_type))
    deep: NDArray[Any] = gray.astype(like.dtype) * np.array(257 if like.itemsize == 2 else 1, like.dtype)
    if like.ndim == 2:
        return deep
    opaque = np.full_like(deep, np.iinfo(like.dtype).max)
    return np.stack((deep, deep, deep, opaque), axis=-1)


def _paste(image: NDArray[Any], tile: NDArray[Any], row: int, column: int) -> None:
    """Copy what of a tile lies within the image; row and column of its first pixel may be negative."""
    top, left = max(row, 0), max(column, 0)
    end, right = min(row + tile.shape[0], image.shape[0]), min(column + tile.shape[1], image.shape[1])
    if top < end and left < right:
        image[top:end, left:right] = tile[top - row : end - row, left - column : right - column]


def _stitch(instance: ImageTileInstance, view: View, shape: Shape, kind: PixelType) -> NDArray[Any]:
    side, settings = instance.spec.levels[0].tile_size, instance.settings
    across, down = shape.dims.value
    size, first = shape.box.size, shape.box.offset
    if (size[across] // side[across] + 2) * (size[down] // side[down] + 2) > _MOST_TILES:
        raise BadRequest(f"the image touches more than {_MOST_TILES} tiles")
    image = np.zeros((size[down], size[across], *((kind.channels,) if kind.channels > 1 else ())), kind.data_type)
    addresses = list(_tile_addresses(shape, side))
    for address, stored in zip(addresses, view.get_each(map(encode_tile, addresses)), strict=True):
        pixels = decode_pixels(bytes(stored), settings.format, kind) if stored else None
        if not stored and settings.placeholder:
            pixels = _placeholder(address, side[across], side[down], kind)
        if pixels is None:
            continue
        tile = voxels_of(pixels, kind)[: side[down], : side[across]]
        row = address.coordinate[down] * side[down] - first[down]
        _paste(image, tile, row, address.coordinate[across] * side[across] - first[across])
    return image


def _kind(instance: ImageTileInstance) -> PixelType:
    assert instance.spec.levels
    kind = instance.source().pixel_type()
    if kind.channels not in (1, 4) or (kind.channels == 4 and kind.data_type != "uint8"):
        raise BadRequest(f"no image can be made of {kind.channels} channels of {kind.data_type}")
    if kind.data_type == "uint64" and instance.settings.format != "lz4":
        raise BadRequest("images of uint64 are stitched from tiles of the format lz4 alone, which keeps all bits")
    return kind


def stitched_image(instance: ImageTileInstance, view: View, shape: Shape, image_format: Format) -> tuple[bytes, str]:
    """Return an image and its content type; 0 where there are no tiles.

    Raises:
        BadRequest: levels or source are not set, or the image touches too many tiles.
    """
    return encode_voxel_image(_stitch(instance, view, shape, _kind(instance)), image_format)


def isotropic_image(
    instance: ImageTileInstance, version: VersionRecord, view: View, shape: Shape, image_format: Format
) -> tuple[bytes, str]:
    """Return an image with square pixels, and its content type: fewer or more pixels are stitched, and then scaled.

    Raises:
        BadRequest: levels or source are not set, or the image touches too many tiles.
    """
    kind, voxel = _kind(instance), instance.source().image_scales(version)[0].voxel_size
    across, down = shape.dims.value
    wanted = shape.box.size[across], shape.box.size[down]
    columns, rows = isotropic_size(wanted, (voxel[across], voxel[down]))
    size = list(shape.box.size)
    size[across], size[down] = columns, rows
    source = Shape(shape.dims, Box(shape.box.offset, (size[0], size[1], size[2])))
    pixels = _stitch(instance, view, source, kind)
    return encode_voxel_image(scale_image(pixels, wanted[1], wanted[0]), image_format)

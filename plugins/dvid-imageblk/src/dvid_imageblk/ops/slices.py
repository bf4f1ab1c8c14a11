"""Slices as images: along the axes, stretched to square pixels, or of any orientation."""

from __future__ import annotations

from typing import Any

import numpy as np
from dvid_voxels.geometry import Box, Triple
from dvid_voxels.images import Format
from dvid_voxels.oblique import ObliqueSlice, sample_slice
from dvid_voxels.scaling import isotropic_size, scale_image
from dvid_voxels.shapes import Shape
from dvid_voxels.voxel_images import encode_voxel_image
from numpy.typing import NDArray

from dvid_framework.api import BadRequest
from dvid_imageblk.ops.bounds import MOST_IMAGE_BYTES, bad_input
from dvid_imageblk.ops.volumes import VolumeRead, checked_box

__all__ = [
    "checked_oblique",
    "checked_slice",
    "image_slice",
    "isotropic_shape",
    "oblique_slice",
    "slice_image",
    "stacked_image",
]

_MOST_SIDE = 1 << 16
_MOST_OBLIQUE_BYTES = 256 << 20
_POINTS = 1 << 16  # of an oblique slice, sampled at once
_MOST_BLOCK_BYTES = 64 << 20  # of the blocks that these lie in


def checked_slice(shape: Shape, read: VolumeRead) -> Shape:
    """Return a slice that an image can be made of.

    Raises:
        BadRequest: it is a volume, or too large.
    """
    checked_box(shape.box, read.block_size, read.voxels.bytes, MOST_IMAGE_BYTES)
    if max(shape.box.size) > _MOST_SIDE:
        raise BadRequest(f"an image has at most {_MOST_SIDE} rows and columns")
    return shape


def isotropic_shape(shape: Shape, voxel_size: tuple[float, float, float]) -> Shape:
    """Return the voxels to read for an image with square pixels.

    Args:
        shape: the slice; its size is that of the image.
        voxel_size: size of a voxel along x, y, z.

    Raises:
        BadRequest: no row or column would be left.
    """
    across, down = shape.dims.value
    size = list(shape.box.size)
    with bad_input():
        size[across], size[down] = isotropic_size((size[across], size[down]), (voxel_size[across], voxel_size[down]))
        return Shape(shape.dims, Box(shape.box.offset, _triple(size)))


def _triple(numbers: list[int]) -> Triple:
    x, y, z = numbers
    return x, y, z


def image_slice(read: VolumeRead, shape: Shape, image_format: Format, size: Shape | None = None) -> tuple[bytes, str]:
    """Return a slice as an image, and its content type.

    Args:
        read: how to read.
        shape: the voxels.
        image_format: the format.
        size: the slice whose number of rows and columns the image must have, if not that of the voxels.
    """
    return slice_image(read.read(shape.box), shape, image_format, size)


def slice_image(
    voxels: NDArray[Any], shape: Shape, image_format: Format, size: Shape | None = None
) -> tuple[bytes, str]:
    """Return the voxels (z, y, x, ...) of a slice as an image, and its content type; see `image_slice`."""
    pixels = shape.image_of(voxels)
    if size is not None and size.box.size != shape.box.size:
        across, down = size.dims.value
        pixels = scale_image(pixels, size.box.size[down], size.box.size[across])
    with bad_input():
        return encode_voxel_image(pixels, image_format)


def stacked_image(read: VolumeRead, box: Box, image_format: Format) -> tuple[bytes, str]:
    """Return a box as one image: the planes one below the other."""
    volume = read.read(box)
    with bad_input():
        return encode_voxel_image(volume.reshape(-1, *volume.shape[2:]), image_format)


def checked_oblique(piece: ObliqueSlice, read: VolumeRead) -> int:
    """Return how many bytes the pixels of a slice of any orientation have.

    Raises:
        BadRequest: they are too many.
    """
    rows, columns = piece.shape
    size = rows * columns * read.voxels.bytes
    if size > _MOST_OBLIQUE_BYTES:
        raise BadRequest(f"{columns} x {rows} pixels are {size} bytes; at most {_MOST_OBLIQUE_BYTES} are made")
    return size


def oblique_slice(
    read: VolumeRead, piece: ObliqueSlice, voxel_size: tuple[float, float, float], image_format: Format
) -> tuple[bytes, str]:
    """Return a slice of any orientation as an image, and its content type."""
    starts, (_, columns) = piece.row_starts(), piece.shape
    step = max(1, _POINTS // columns)
    parts = [_sampled(read, piece.points(starts[row : row + step]), voxel_size) for row in range(0, len(starts), step)]
    with bad_input():
        return encode_voxel_image(np.concatenate(parts), image_format)


def _sampled(read: VolumeRead, points: NDArray[np.float64], voxel_size: tuple[float, float, float]) -> NDArray[Any]:
    """Sample some points; fewer at a time where they lie in too many blocks."""
    x, y, z = read.block_size
    most = max(8, _MOST_BLOCK_BYTES // (x * y * z * read.voxels.bytes))

    def blocks(coordinates: NDArray[np.int64]) -> NDArray[Any]:
        if len(coordinates) > most:
            raise _TooManyBlocksError
        return read.read_blocks(coordinates)

    try:
        with bad_input():
            return sample_slice(points, voxel_size, read.block_size, blocks)
    except _TooManyBlocksError:
        flat = points.reshape(-1, 3)
        half = len(flat) // 2
        halves = [_sampled(read, part, voxel_size) for part in (flat[:half], flat[half:])]
        whole = np.concatenate(halves)
        return whole.reshape(*points.shape[:-1], *whole.shape[1:])


class _TooManyBlocksError(Exception):
    """The points at hand lie in more blocks than are to be held at once."""

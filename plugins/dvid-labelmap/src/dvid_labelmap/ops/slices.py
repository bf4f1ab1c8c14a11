"""Slices as images: labels, stretched to isotropic pixels, or coloured."""

from __future__ import annotations

import numpy as np
from dvid_voxels.geometry import Box, Triple
from dvid_voxels.images import Format, encode_image, encode_label_image
from dvid_voxels.pseudocolor import pseudocolor
from dvid_voxels.shapes import Shape

from dvid_framework.api import BadRequest
from dvid_labelmap.ops.bounds import MOST_IMAGE_BYTES, bad_input
from dvid_labelmap.ops.volumes import VolumeRead, checked_box

__all__ = ["checked_slice", "colored_slice", "isotropic_shape", "label_slice"]

_MOST_PIXELS = 1 << 16


def checked_slice(shape: Shape, block_size: Triple) -> Shape:
    """Return a slice that an image can be made of.

    Raises:
        BadRequest: it is a volume, or too large.
    """
    if not shape.dims.is_plane:
        raise BadRequest("a slice must be asked for: xy, xz or yz")
    checked_box(shape.box, block_size, MOST_IMAGE_BYTES)
    if max(shape.box.size) > _MOST_PIXELS:
        raise BadRequest(f"an image has at most {_MOST_PIXELS} rows and columns")
    return shape


def isotropic_shape(shape: Shape, voxel_size: tuple[float, float, float]) -> Shape:
    """Return the voxels to read for an image with isotropic pixels.

    Args:
        shape: the slice; its size is that of the image.
        voxel_size: size of a voxel along x, y, z.

    Returns:
        The slice with fewer rows or columns where voxels are longer along one of its axes.

    Raises:
        BadRequest: no row or column would be left.
    """
    across, down = shape.dims.value
    rx, ry = voxel_size[across], voxel_size[down]
    size = list(shape.box.size)
    if rx < ry:
        size[down] = int(size[down] * rx / ry + 0.5)
    elif rx > ry:
        size[across] = int(size[across] * ry / rx + 0.5)
    if 0 in size:
        raise BadRequest("the image is less than half a voxel high or wide")
    with bad_input():
        return Shape(shape.dims, Box(shape.box.offset, _triple(size)))


def _triple(numbers: list[int]) -> Triple:
    x, y, z = numbers
    return x, y, z


def label_slice(read: VolumeRead, shape: Shape, image_format: Format, size: Shape | None = None) -> tuple[bytes, str]:
    """Return a slice as an image whose pixels keep the labels, and its content type.

    Args:
        read: how to read.
        shape: the voxels.
        image_format: the format.
        size: the slice whose number of rows and columns the image must have; each pixel shows the voxel at its centre.
    """
    labels = shape.image_of(read.read(shape.box))
    if size is not None and size.box.size != shape.box.size:
        across, down = shape.dims.value
        rows, columns = size.box.size[down], size.box.size[across]
        source = [
            (2 * np.arange(wanted) + 1) * present // (2 * wanted)
            for wanted, present in zip((rows, columns), labels.shape, strict=True)
        ]
        labels = labels[source[0][:, None], source[1]]
    with bad_input():
        return encode_label_image(labels, image_format)


def colored_slice(read: VolumeRead, shape: Shape, image_format: Format) -> tuple[bytes, str]:
    """Return a slice as an image with a colour for each label, and its content type."""
    with bad_input():
        return encode_image(pseudocolor(shape.image_of(read.read(shape.box))), image_format)

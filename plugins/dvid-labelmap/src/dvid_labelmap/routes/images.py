"""Slices as images."""

from __future__ import annotations

from functools import partial

from dvid_voxels.images import parse_format
from dvid_voxels.shapes import Shape

from dvid_framework.api import Answer, FromPath, FromQuery, binary, get, holding_memory
from dvid_labelmap.ops.bounds import bad_input
from dvid_labelmap.ops.slices import checked_slice, colored_slice, isotropic_shape, label_slice
from dvid_labelmap.ops.volumes import VolumeRead
from dvid_labelmap.routes.asked import LabelRequest, shape_of, volume_read

__all__ = ["ROUTES", "slice_answer"]

_COPIES = 4  # voxels, filtered pixels and compressed pixels


async def slice_answer(request: LabelRequest, read: VolumeRead, shape: Shape, image: str, isotropic: bool) -> Answer:
    """Return a slice of labels as an image."""
    with bad_input():
        image_format = parse_format(image)
    checked_slice(shape, read.block_size)
    source = isotropic_shape(shape, request.instance.settings.voxel_size) if isotropic else shape
    with holding_memory(request, _COPIES * 8 * shape.box.voxels):
        return binary(*await request.run(partial(label_slice, read, source, image_format, size=shape)))


async def _colored(request: LabelRequest, shape: Shape, image: str) -> Answer:
    query = request.query
    with bad_input():
        image_format = parse_format(image)
    read = volume_read(request, query.get("scale"), query.get("supervoxels"), query.get("roi"))
    checked_slice(shape, read.block_size)
    with holding_memory(request, _COPIES * 8 * shape.box.voxels):
        return binary(*await request.run(colored_slice, read, shape, image_format))


@get("/pseudocolor/{dims:str}/{size:str}/{offset:str}")
async def pseudocolor(
    request: LabelRequest,
    dims: FromPath[str],
    size: FromPath[str],
    offset: FromPath[str],
    scale: FromQuery[str | None] = None,
    supervoxels: FromQuery[str | None] = None,
    roi: FromQuery[str | None] = None,
) -> Answer:
    """Return a slice (xy, xz, yz) as PNG with a colour for each label, always the same one: a hash of it."""
    del scale, supervoxels, roi
    return await _colored(request, shape_of(dims, size, offset), "")


@get("/pseudocolor/{dims:str}/{size:str}/{offset:str}/{image:str}")
async def pseudocolor_format(
    request: LabelRequest, dims: FromPath[str], size: FromPath[str], offset: FromPath[str], image: FromPath[str]
) -> Answer:
    """Return a coloured slice as png, jpg, jpg:80 (quality), tif or bmp."""
    return await _colored(request, shape_of(dims, size, offset), image)


ROUTES = (pseudocolor, pseudocolor_format)

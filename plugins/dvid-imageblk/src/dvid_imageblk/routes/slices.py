"""Slices of any orientation."""

from __future__ import annotations

from dvid_voxels.images import parse_format
from dvid_voxels.oblique import ObliqueSlice, parse_point

from dvid_framework.api import Answer, BadRequest, FromPath, FromQuery, binary, get, holding_memory
from dvid_imageblk.ops.bounds import bad_input
from dvid_imageblk.ops.slices import checked_oblique, oblique_slice
from dvid_imageblk.routes.asked import ImageRequest, volume_read

__all__ = ["ROUTES"]

_COPIES = 4
_SAMPLING_BYTES = 160 << 20  # the blocks that some points lie in, and the points


def _resolution(text: str) -> float:
    try:
        return float(text[:40])
    except ValueError as error:
        raise BadRequest(f"the resolution {text[:40]!r} is no number") from error


async def _answer(
    request: ImageRequest, top_left: str, top_right: str, bottom_left: str, resolution: str, image: str = ""
) -> Answer:
    with bad_input():
        image_format = parse_format(image)
        corners = parse_point(top_left), parse_point(top_right), parse_point(bottom_left)
        piece = ObliqueSlice(*corners, _resolution(resolution))
    read = volume_read(request)
    size = checked_oblique(piece, read)
    voxel_size = request.instance.settings.voxel_size
    with request.throttled(), holding_memory(request, _COPIES * size + _SAMPLING_BYTES):
        return binary(*await request.run(oblique_slice, read, piece, voxel_size, image_format))


@get("/arb/{top_left:str}/{top_right:str}/{bottom_left:str}/{resolution:str}", also=("POST",))
async def arb(
    request: ImageRequest,
    top_left: FromPath[str],
    top_right: FromPath[str],
    bottom_left: FromPath[str],
    resolution: FromPath[str],
    throttle: FromQuery[str | None] = None,
) -> Answer:
    """Return a slice of any orientation as PNG.

    The three corners are x_y_z in the units of VoxelSize (nanometers, not voxels), resolution is the distance of pixels
    in the same. Each pixel is interpolated between the eight voxels around it.
    """
    del throttle
    return await _answer(request, top_left, top_right, bottom_left, resolution)


@get("/arb/{top_left:str}/{top_right:str}/{bottom_left:str}/{resolution:str}/{image:str}", also=("POST",))
async def arb_format(
    request: ImageRequest,
    top_left: FromPath[str],
    top_right: FromPath[str],
    bottom_left: FromPath[str],
    resolution: FromPath[str],
    image: FromPath[str],
) -> Answer:
    """Return a slice of any orientation in an image format: png, jpg, jpg:80 (quality), tif or bmp."""
    return await _answer(request, top_left, top_right, bottom_left, resolution, image)


ROUTES = (arb, arb_format)

"""Boxes and slices of voxels."""

from __future__ import annotations

from collections.abc import Sequence

from dvid_voxels.geometry import Box
from dvid_voxels.images import MOST_JPEG_SIDE, Format, parse_format
from dvid_voxels.shapes import Shape

from dvid_framework.api import (
    Answer,
    BadRequest,
    FromPath,
    FromQuery,
    binary,
    empty,
    get,
    holding_memory,
    post,
    streamed,
)
from dvid_imageblk.codec import StoredForm
from dvid_imageblk.ops.bounds import bad_input
from dvid_imageblk.ops.ingest import BlockWrite, blocks_of_pieces, check_target
from dvid_imageblk.ops.slices import checked_slice, image_slice, isotropic_shape, stacked_image
from dvid_imageblk.ops.volumes import WHOLE_BYTES, VolumeRead, checked_box
from dvid_imageblk.routes.asked import NOT_DURABLE, ImageRequest, shape_of, volume_read, write_in_turn

__all__ = ["ROUTES"]

_COPIES = 4  # voxels, scaled ones, filtered pixels and compressed pixels


async def _volume_answer(request: ImageRequest, read: VolumeRead, box: Box) -> Answer:
    checked_box(box, read.block_size, read.voxels.bytes)
    size = read.voxels.bytes * box.voxels
    if size > WHOLE_BYTES:
        return streamed(request, read.pieces(box), read.slab_bytes(box), size)
    with request.throttled():
        body = read.at_hand(box)
        if body is None:
            body = (await request.run(read.read, box)).data.cast("B")
    return binary(body)


async def _stacked_answer(request: ImageRequest, read: VolumeRead, box: Box) -> Answer:
    width, height, depth = box.size
    if max(width, height * depth) > MOST_JPEG_SIDE:
        raise BadRequest(f"a JPEG has at most {MOST_JPEG_SIDE} rows and columns; this would have {height * depth} rows")
    with request.throttled(), holding_memory(request, _COPIES * read.voxels.bytes * box.voxels):
        return binary(*await request.run(stacked_image, read, checked_box(box, read.block_size, 1), Format("jpg")))


async def _slice_answer(request: ImageRequest, read: VolumeRead, shape: Shape, image: str, isotropic: bool) -> Answer:
    with bad_input():
        image_format = parse_format(image)
    checked_slice(shape, read)
    source = isotropic_shape(shape, request.instance.settings.voxel_size) if isotropic else shape
    with holding_memory(request, _COPIES * read.voxels.bytes * shape.box.voxels):
        return binary(*await request.run(image_slice, read, source, image_format, shape))


async def _answer(request: ImageRequest, shape: Shape, image: str = "", isotropic: bool = False) -> Answer:
    read = volume_read(request)
    if shape.dims.is_plane:
        return await _slice_answer(request, read, shape, image, isotropic)
    if image in ("jpg", "jpeg"):
        return await _stacked_answer(request, read, shape.box)
    return await _volume_answer(request, read, shape.box)


@get("/raw/{dims:str}/{size:str}/{offset:str}", also=())
async def raw(
    request: ImageRequest,
    dims: FromPath[str],
    size: FromPath[str],
    offset: FromPath[str],
    scale: FromQuery[str | None] = None,
    roi: FromQuery[str | None] = None,
    attenuation: FromQuery[str | None] = None,
    throttle: FromQuery[str | None] = None,
) -> Answer:
    """Return the voxels of a box or of a slice.

    dims is 0_1_2 for a box, or xy, xz, yz (also 0_1, 0_2, 1_2) for a slice; size has three numbers or two, offset the
    first voxel, all joined by _, such as raw/0_1_2/64_64_64/-10_0_128. A box is raw voxels, a slice a PNG.

    roi: blocks outside that instance are background; with attenuation=1 to 7 their bytes are shifted down by so many
    bits instead. scale: size and offset are voxels of that scale, in instances that have several. throttle=on: 503 if
    too many such requests run.
    """
    del scale, roi, attenuation, throttle
    return await _answer(request, shape_of(dims, size, offset))


@get("/raw/{dims:str}/{size:str}/{offset:str}/{image:str}", also=())
async def raw_format(
    request: ImageRequest, dims: FromPath[str], size: FromPath[str], offset: FromPath[str], image: FromPath[str]
) -> Answer:
    """Return a slice in an image format: png, jpg, jpg:80 (quality), tif or bmp; a box as jpg, its planes stacked."""
    return await _answer(request, shape_of(dims, size, offset), image)


@get("/isotropic/{dims:str}/{size:str}/{offset:str}", also=())
async def isotropic(request: ImageRequest, dims: FromPath[str], size: FromPath[str], offset: FromPath[str]) -> Answer:
    """Return voxels as raw does; a slice is scaled so that its pixels are as wide as high, by VoxelSize."""
    return await _answer(request, shape_of(dims, size, offset), isotropic=True)


@get("/isotropic/{dims:str}/{size:str}/{offset:str}/{image:str}", also=())
async def isotropic_format(
    request: ImageRequest, dims: FromPath[str], size: FromPath[str], offset: FromPath[str], image: FromPath[str]
) -> Answer:
    """Return a scaled slice in an image format."""
    return await _answer(request, shape_of(dims, size, offset), image, isotropic=True)


def _encode(pieces: Sequence[bytes], read: VolumeRead, box: Box, form: StoredForm) -> BlockWrite:
    inside = None if read.inside is None else read.inside(box.blocks(read.block_size))
    return blocks_of_pieces(pieces, box, read.block_size, read.voxels, form, inside)


def _check_length(request: ImageRequest, expected: int) -> None:
    """Refuse a body that declares a wrong length before it is read."""
    declared = request.call.header(b"content-length")
    if declared and declared.isascii() and declared.isdigit() and int(declared) != expected:
        raise BadRequest(f"the voxels of the box are {expected} bytes, but the body has {declared[:20]}")


@post("/raw/{dims:str}/{size:str}/{offset:str}")
async def post_raw(
    request: ImageRequest,
    dims: FromPath[str],
    size: FromPath[str],
    offset: FromPath[str],
    roi: FromQuery[str | None] = None,
    mutate: FromQuery[str | None] = None,
    throttle: FromQuery[str | None] = None,
) -> Answer:
    """Write the voxels of a box, of axis order Z, Y, X; all scales follow at once.

    offset and size must be multiples of BlockSize. roi: only blocks inside are written. mutate=true is accepted. All is
    written, or after an error nothing.
    """
    del roi, mutate, throttle
    shape, instance = shape_of(dims, size, offset), request.instance
    if shape.dims.is_plane:
        raise BadRequest("only boxes can be written: raw/0_1_2/...")
    instance.check_writable()
    check_target(shape.box, instance.settings.block_size)
    read, expected = volume_read(request), instance.voxels.bytes * shape.box.voxels
    if read.scale:
        raise BadRequest("only scale 0 can be written; the lower resolutions follow")
    _check_length(request, expected)
    with request.throttled(), holding_memory(request, 2 * expected):
        pieces = await request.read_pieces()
        write = await request.run(_encode, pieces, read, shape.box, instance.form)
        del pieces
        await write_in_turn(request, write)
    return empty(200, NOT_DURABLE)


ROUTES = (raw, raw_format, isotropic, isotropic_format, post_raw)

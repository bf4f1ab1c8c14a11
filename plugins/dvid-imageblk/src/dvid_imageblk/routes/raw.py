"""Boxes and slices of voxels."""

from __future__ import annotations

from collections.abc import Sequence

from dvid_voxels.geometry import Box
from dvid_voxels.images import MOST_JPEG_SIDE, Format, parse_format
from dvid_voxels.shapes import Shape

from dvid_framework.api import (
    Answer,
    BadRequest,
    Call,
    FromPath,
    FromQuery,
    Later,
    binary,
    empty,
    holding_memory,
    point_read,
    post,
    streamed,
)
from dvid_imageblk.codec import StoredForm
from dvid_imageblk.ops.bounds import bad_input
from dvid_imageblk.ops.ingest import BlockWrite, blocks_of_pieces, check_target
from dvid_imageblk.ops.slices import checked_slice, image_slice, isotropic_shape, slice_image, stacked_image
from dvid_imageblk.ops.volumes import WHOLE_BYTES, VolumeRead, checked_box
from dvid_imageblk.routes.asked import NOT_DURABLE, ImageRequest, instance_of, shape_of, volume_read, write_in_turn

__all__ = ["ROUTES"]

_COPIES = 4  # voxels, scaled ones, filtered pixels and compressed pixels
_AT_ONCE_BYTES = 1 << 16  # of an image that is quicker made than a thread is asked


def _volume_answer(call: Call, read: VolumeRead, box: Box) -> Answer:
    checked_box(box, read.block_size, read.voxels.bytes)
    size = read.voxels.bytes * box.voxels
    if size > WHOLE_BYTES:
        return streamed(call, read.pieces(box), read.slab_bytes(box), size)
    with call.throttled():
        body = read.at_hand(box)
    if body is not None:
        return binary(body)

    def make() -> Answer:
        with call.throttled():
            return binary(read.read(box).data.cast("B"))

    return Later(make, call.server.pool)


def _stacked_answer(call: Call, read: VolumeRead, box: Box) -> Answer:
    width, height, depth = box.size
    if max(width, height * depth) > MOST_JPEG_SIDE:
        raise BadRequest(f"a JPEG has at most {MOST_JPEG_SIDE} rows and columns; this would have {height * depth} rows")
    checked_box(box, read.block_size, 1)

    def make() -> Answer:
        with call.throttled(), holding_memory(call, _COPIES * read.voxels.bytes * box.voxels):
            return binary(*stacked_image(read, box, Format("jpg")))

    return Later(make, call.server.pool)


def _slice_answer(call: Call, read: VolumeRead, shape: Shape, image: str, isotropic: bool) -> Answer:
    """Answer with an image: at once if it is small and its blocks are in memory, else from a thread."""
    with bad_input():
        image_format = parse_format(image)
    checked_slice(shape, read)
    source = isotropic_shape(shape, instance_of(call).settings.voxel_size) if isotropic else shape
    if max(shape.box.voxels, source.box.voxels) * read.voxels.bytes <= _AT_ONCE_BYTES:
        voxels = read.voxels_at_hand(source.box)
        if voxels is not None:
            return binary(*slice_image(voxels, source, image_format, shape))

    def make() -> Answer:
        with holding_memory(call, _COPIES * read.voxels.bytes * shape.box.voxels):
            return binary(*image_slice(read, source, image_format, shape))

    return Later(make, call.server.pool)


def _answer(call: Call, image: str = "", isotropic: bool = False) -> Answer:
    shape, read = shape_of(*call.segments[1:4]), volume_read(call)
    if shape.dims.is_plane:
        return _slice_answer(call, read, shape, image, isotropic)
    if image in ("jpg", "jpeg"):
        return _stacked_answer(call, read, shape.box)
    return _volume_answer(call, read, shape.box)


@point_read("/raw/{dims:str}/{size:str}/{offset:str}", also=())
def raw(call: Call) -> Answer:
    """Return the voxels of a box or of a slice.

    dims is 0_1_2 for a box, or xy, xz, yz (also 0_1, 0_2, 1_2) for a slice; size has three numbers or two, offset the
    first voxel, all joined by _, such as raw/0_1_2/64_64_64/-10_0_128. A box is raw voxels, a slice a PNG.

    roi: blocks outside that instance are background; with attenuation=1 to 7 their bytes are shifted down by so many
    bits instead. scale: size and offset are voxels of that scale, in instances that have several. throttle=on: 503 if
    too many such requests run.
    """
    return _answer(call)


@point_read("/raw/{dims:str}/{size:str}/{offset:str}/{image:str}", also=())
def raw_format(call: Call) -> Answer:
    """Return a slice in an image format: png, jpg, jpg:80 (quality), tif or bmp; a box as jpg, its planes stacked."""
    return _answer(call, call.segments[4])


@point_read("/isotropic/{dims:str}/{size:str}/{offset:str}", also=())
def isotropic(call: Call) -> Answer:
    """Return voxels as raw does; a slice is scaled so that its pixels are as wide as high, by VoxelSize."""
    return _answer(call, isotropic=True)


@point_read("/isotropic/{dims:str}/{size:str}/{offset:str}/{image:str}", also=())
def isotropic_format(call: Call) -> Answer:
    """Return a scaled slice in an image format."""
    return _answer(call, call.segments[4], isotropic=True)


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

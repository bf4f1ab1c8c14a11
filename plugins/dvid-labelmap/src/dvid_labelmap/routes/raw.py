"""Volumes of labels: raw in three dimensions."""

from __future__ import annotations

from collections.abc import Sequence

from dvid_voxels.geometry import Box
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
from dvid_labelmap.codec import check_read, decode_volume, encode_volume
from dvid_labelmap.ops.ingest import BlockWrite, blocks_of_pieces, blocks_of_volume, check_target
from dvid_labelmap.ops.volumes import WHOLE_BYTES, VolumeRead, checked_box
from dvid_labelmap.routes.asked import NOT_DURABLE, LabelRequest, shape_of, volume_read, write_voxels
from dvid_labelmap.routes.images import slice_answer

__all__ = ["ROUTES"]


async def _volume_answer(request: LabelRequest, read: VolumeRead, box: Box, compression: str | None) -> Answer:
    checked_box(box, read.block_size)
    size = 8 * box.voxels
    if compression and compression != "none":
        check_read(box, compression)
        with request.throttled(), holding_memory(request, 2 * size):
            body = await request.run(lambda: encode_volume(read.read(box), compression))
        return binary(body, headers={"Content-Encoding": "gzip"} if compression == "googlegzip" else None)
    if size > WHOLE_BYTES:
        return streamed(request, read.pieces(box), read.slab_bytes(box), size)
    with request.throttled():
        labels = await request.run(read.read, box)
    return binary(labels.data.cast("B"))


async def _answer(request: LabelRequest, shape: Shape, image: str, isotropic: bool) -> Answer:
    query = request.query
    read = volume_read(request, query.get("scale"), query.get("supervoxels"), query.get("roi"))
    if shape.dims.is_plane:
        return await slice_answer(request, read, shape, image, isotropic)
    return await _volume_answer(request, read, shape.box, query.get("compression"))


@get("/raw/{dims:str}/{size:str}/{offset:str}")
async def raw(
    request: LabelRequest,
    dims: FromPath[str],
    size: FromPath[str],
    offset: FromPath[str],
    scale: FromQuery[str | None] = None,
    supervoxels: FromQuery[str | None] = None,
    compression: FromQuery[str | None] = None,
    roi: FromQuery[str | None] = None,
    throttle: FromQuery[str | None] = None,
) -> Answer:
    """Return the labels of a box or of a slice.

    dims is 0_1_2 for a box, or xy, xz, yz (also 0_1, 0_2, 1_2) for a slice; size has three numbers or two, offset the
    first voxel, all joined by _, such as raw/0_1_2/64_64_64/-10_0_128.

    A box is uint64, little-endian, of axis order Z, Y, X; compression=lz4 (one LZ4 block), gzip, google (neuroglancer's
    compressed_segmentation; sizes must be multiples of 8) or googlegzip. A slice is a PNG with 16 bits for each of four
    channels: the 8 bytes of a pixel are the little-endian label. supervoxels=true: labels as they are stored.
    scale: size and offset are voxels of that scale. roi: blocks outside that instance are 0. throttle=on: 503 if too
    many such requests run.
    """
    del scale, supervoxels, compression, roi, throttle
    return await _answer(request, shape_of(dims, size, offset), "", isotropic=False)


@get("/raw/{dims:str}/{size:str}/{offset:str}/{image:str}")
async def raw_format(
    request: LabelRequest, dims: FromPath[str], size: FromPath[str], offset: FromPath[str], image: FromPath[str]
) -> Answer:
    """Return a slice in an image format: png, jpg, jpg:80 (quality), tif or bmp; only png keeps the labels."""
    return await _answer(request, shape_of(dims, size, offset), image, isotropic=False)


@get("/isotropic/{dims:str}/{size:str}/{offset:str}")
async def isotropic(request: LabelRequest, dims: FromPath[str], size: FromPath[str], offset: FromPath[str]) -> Answer:
    """Return labels as raw does; a slice is stretched so that its pixels are as wide as high, by VoxelSize."""
    return await _answer(request, shape_of(dims, size, offset), "", isotropic=True)


@get("/isotropic/{dims:str}/{size:str}/{offset:str}/{image:str}")
async def isotropic_format(
    request: LabelRequest, dims: FromPath[str], size: FromPath[str], offset: FromPath[str], image: FromPath[str]
) -> Answer:
    """Return a stretched slice in an image format."""
    return await _answer(request, shape_of(dims, size, offset), image, isotropic=True)


def _encode(pieces: Sequence[bytes], read: VolumeRead, box: Box, compression: str) -> BlockWrite | None:
    inside = None if read.inside is None else read.inside(box.blocks(read.block_size))
    if not compression:
        return blocks_of_pieces(pieces, box, read.block_size, inside)
    return blocks_of_volume(decode_volume(b"".join(pieces), box, compression), box, read.block_size, inside)


@post("/raw/{dims:str}/{size:str}/{offset:str}")
async def post_raw(
    request: LabelRequest,
    dims: FromPath[str],
    size: FromPath[str],
    offset: FromPath[str],
    compression: FromQuery[str | None] = None,
    roi: FromQuery[str | None] = None,
    mutate: FromQuery[str | None] = None,
) -> Answer:
    """Write the labels of a box: uint64, little-endian, of axis order Z, Y, X; all scales follow at once.

    offset and size must be multiples of BlockSize; compression=lz4 or gzip; roi: only blocks inside are written.
    mutate=true is accepted: what was there before always counts. All is written, or after an error nothing.
    """
    del mutate
    shape, instance = shape_of(dims, size, offset), request.instance
    if shape.dims.is_plane:
        raise BadRequest("only boxes can be written: raw/0_1_2/...")
    check_target(shape.box, instance.settings.block_size)
    read, word = volume_read(request, None, roi=roi), "" if compression in (None, "none") else compression or ""
    with request.throttled(), holding_memory(request, 8 * shape.box.voxels):
        pieces = await request.read_pieces()
        write = await request.run(_encode, pieces, read, shape.box, word)
        del pieces
        if write is not None:
            await write_voxels(request, write, downres=True)
    return empty(200, NOT_DURABLE)


ROUTES = (raw, raw_format, isotropic, isotropic_format, post_raw)

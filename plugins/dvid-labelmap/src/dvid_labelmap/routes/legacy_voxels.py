"""Voxels of labelarray and labelblk."""

from __future__ import annotations

from dvid_framework.api import Answer, BadRequest, Call, FromPath, get, point_read, post
from dvid_labelmap.routes import blocks, description, images, points, raw
from dvid_labelmap.routes.legacy_source import LegacyRequest, answer_of, hand_on, handed_on

__all__ = ["BLOCKS_OF_LABELARRAY", "BLOCKS_OF_LABELBLK", "ROUTES"]

_BLOCK_COMPRESSIONS = ("lz4", "uncompressed")


@get("/metadata")
async def metadata(request: LegacyRequest) -> Answer:
    """Return resolution, units, size and offset of each axis at this version, and the settings."""
    return await answer_of(description.metadata, handed_on(request))


@post("/resolution")
async def post_resolution(request: LegacyRequest) -> Answer:
    """Set the size of a voxel, for all versions: a JSON list of three numbers, such as [8, 8, 40]."""
    return await answer_of(description.post_resolution, handed_on(request))


@point_read("/label/{point:str}")
def label(call: Call) -> Answer:
    """Return the label at a voxel x_y_z: `{"Label": 7}`."""
    return points.label(hand_on(call))


@get("/labels")
async def labels(request: LegacyRequest) -> Answer:
    """Return the labels at many voxels: the body of the GET is a JSON list [[x,y,z], ...], the answer [7,0,...].

    At most a million. hash=: the MD5 of the body in hexadecimal, to be checked.
    """
    given = handed_on(request)
    return await answer_of(points.labels, given, given.query.get("scale"), None, given.query.get("hash"))


@get("/raw/{dims:str}/{size:str}/{offset:str}")
async def raw_volume(request: LegacyRequest, dims: FromPath[str], size: FromPath[str], offset: FromPath[str]) -> Answer:
    """Return the labels of a box (dims 0_1_2) or a slice (xy, xz, yz); size and first voxel are joined by _.

    A box is uint64, little-endian, of axis order Z, Y, X; compression=lz4, gzip, google (compressed_segmentation) or
    googlegzip. A slice is a PNG with 16 bits for each of four channels: the 8 bytes of a pixel are the label. roi=NAME:
    blocks outside are 0. A labelarray has lower resolutions: scale=1 and so on.
    """
    return await answer_of(raw.raw, handed_on(request), dims, size, offset)


@get("/raw/{dims:str}/{size:str}/{offset:str}/{image:str}")
async def raw_format(
    request: LegacyRequest, dims: FromPath[str], size: FromPath[str], offset: FromPath[str], image: FromPath[str]
) -> Answer:
    """Return a slice in an image format: png, jpg, jpg:80 (quality), tif or bmp; only png keeps the labels."""
    return await answer_of(raw.raw_format, handed_on(request), dims, size, offset, image)


@get("/isotropic/{dims:str}/{size:str}/{offset:str}")
async def isotropic(request: LegacyRequest, dims: FromPath[str], size: FromPath[str], offset: FromPath[str]) -> Answer:
    """Return labels as raw does; a slice is stretched so that its pixels are as wide as high, by VoxelSize."""
    return await answer_of(raw.isotropic, handed_on(request), dims, size, offset)


@get("/isotropic/{dims:str}/{size:str}/{offset:str}/{image:str}")
async def isotropic_format(
    request: LegacyRequest, dims: FromPath[str], size: FromPath[str], offset: FromPath[str], image: FromPath[str]
) -> Answer:
    """Return a stretched slice in an image format."""
    return await answer_of(raw.isotropic_format, handed_on(request), dims, size, offset, image)


@post("/raw/{dims:str}/{size:str}/{offset:str}")
async def post_raw(request: LegacyRequest, dims: FromPath[str], size: FromPath[str], offset: FromPath[str]) -> Answer:
    """Write the labels of a box of whole blocks: uint64, little-endian, of axis order Z, Y, X.

    compression=lz4 or gzip; roi=NAME: only blocks inside are written. Bodies and lower scales follow at once.
    """
    given = handed_on(request)
    return await answer_of(
        raw.post_raw, given, dims, size, offset, given.query.get("compression"), given.query.get("roi")
    )


@get("/pseudocolor/{dims:str}/{size:str}/{offset:str}")
async def pseudocolor(
    request: LegacyRequest, dims: FromPath[str], size: FromPath[str], offset: FromPath[str]
) -> Answer:
    """Return a slice (xy, xz, yz) as PNG with a colour for each label, always the same one: a hash of it."""
    return await answer_of(images.pseudocolor, handed_on(request), dims, size, offset)


@get("/pseudocolor/{dims:str}/{size:str}/{offset:str}/{image:str}")
async def pseudocolor_format(
    request: LegacyRequest, dims: FromPath[str], size: FromPath[str], offset: FromPath[str], image: FromPath[str]
) -> Answer:
    """Return a coloured slice as png, jpg, jpg:80 (quality), tif or bmp."""
    return await answer_of(images.pseudocolor_format, handed_on(request), dims, size, offset, image)


@get("/blocks/{size:str}/{offset:str}")
async def labelblk_blocks(request: LegacyRequest, size: FromPath[str], offset: FromPath[str]) -> Answer:
    """Return the blocks of a box of whole blocks, a stream; blocks that were never written are left out.

    Each has int32 x, y, z of the block, the number of bytes, and its labels: one LZ4 block, or with
    compression=uncompressed as they are.
    """
    given = handed_on(request)
    word = given.query.get("compression") or "lz4"
    if word not in _BLOCK_COMPRESSIONS:
        raise BadRequest(f"unknown compression {word[:20]!r}; lz4 and uncompressed are allowed")
    return await answer_of(blocks.blocks, given, size, offset, word)


@get("/blocks/{size:str}/{offset:str}")
async def labelarray_blocks(request: LegacyRequest, size: FromPath[str], offset: FromPath[str]) -> Answer:
    """Return the blocks of a box of whole blocks, a stream; blocks that were never written are left out.

    compression is lz4, gzip (both of raw labels), blocks (gzip of DVID label blocks) or uncompressed. scale: of a lower
    resolution.
    """
    given = handed_on(request)
    word = given.query.get("compression", "lz4")
    return await answer_of(blocks.blocks, given, size, offset, word, given.query.get("scale"))


@get("/specificblocks")
async def specificblocks(request: LegacyRequest) -> Answer:
    """Return the blocks at block coordinates, a stream: blocks=x,y,z,x,y,z,...; those never written are left out.

    compression is blocks (gzip of DVID label blocks), lz4, gzip or uncompressed. scale: of a lower resolution.
    """
    given = handed_on(request)
    query = given.query
    word = query.get("compression", "blocks")
    return await answer_of(blocks.specificblocks, given, query.get("blocks"), word, query.get("scale"))


@post("/blocks")
async def post_blocks(request: LegacyRequest) -> Answer:
    """Write a stream of blocks, each the gzip of a DVID label block of BlockSize.

    downres=true makes the lower scales. scale: they are of a lower resolution, and nothing else is written. All is
    written, or after an error nothing.
    """
    given = handed_on(request)
    query = given.query
    word = query.get("compression", "blocks")
    return await answer_of(
        blocks.post_blocks, given, query.get("scale"), query.get("downres"), query.get("noindexing"), word
    )


ROUTES = (
    metadata,
    post_resolution,
    label,
    labels,
    raw_volume,
    raw_format,
    isotropic,
    isotropic_format,
    post_raw,
    pseudocolor,
    pseudocolor_format,
)
BLOCKS_OF_LABELBLK = (labelblk_blocks,)
BLOCKS_OF_LABELARRAY = (labelarray_blocks, specificblocks, post_blocks)

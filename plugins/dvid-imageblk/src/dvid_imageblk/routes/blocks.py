"""Rows of blocks, and streams of them."""

from __future__ import annotations

from dvid_voxels.block_lists import parse_block_list, whole_blocks
from dvid_voxels.geometry import Triple, parse_ints, parse_triple

from dvid_framework.api import (
    Answer,
    BadRequest,
    FromPath,
    FromQuery,
    Parts,
    binary,
    empty,
    get,
    holding_memory,
    post,
    streamed,
)
from dvid_imageblk.ops.bounds import MOST_BLOCKS, MOST_LISTED, bad_input
from dvid_imageblk.ops.ingest import blocks_of_row, check_span
from dvid_imageblk.ops.streams import HEADER_BYTES, check_compression, row_at_hand, row_bytes, row_pieces, stream_pieces
from dvid_imageblk.ops.volumes import WHOLE_BYTES
from dvid_imageblk.routes.asked import NOT_DURABLE, ImageRequest, shape_of, volume_read, write_in_turn

__all__ = ["ROUTES"]

_HOLDING = 32 << 20


def _row(block: str, span: str) -> tuple[Triple, int]:
    with bad_input():
        numbers = parse_ints(span, 1)
        return parse_triple(block), numbers[0]


@get("/blocks/{block:str}/{span:str}", also=())
async def blocks(
    request: ImageRequest, block: FromPath[str], span: FromPath[str], scale: FromQuery[str | None] = None
) -> Answer:
    """Return a row of blocks along x as voxels, each block by itself (Z, Y, X), without headers.

    block is the first block coordinate, such as 10_-2_7, span how many. Blocks never written are background.
    """
    del scale
    first, count = _row(block, span)
    if count < 0:
        raise BadRequest("the number of blocks must not be negative")
    read = volume_read(request)
    size = row_bytes(read, first, count)
    parts = row_at_hand(read, first, count)
    if parts is not None:
        return Parts(parts)
    if size <= WHOLE_BYTES:
        pieces = await request.run(list, row_pieces(read, first, count))
        return binary(pieces[0] if len(pieces) == 1 else b"".join(pieces))
    return streamed(request, row_pieces(read, first, count), _HOLDING, size)


@post("/blocks/{block:str}/{span:str}")
async def post_blocks(
    request: ImageRequest, block: FromPath[str], span: FromPath[str], mutate: FromQuery[str | None] = None
) -> Answer:
    """Write a row of blocks along x, in the layout of GET blocks; bytes that follow them are left out.

    All is written, lower resolutions and extents included, or after an error nothing. mutate=true is accepted.
    """
    del mutate
    (first, count), instance = _row(block, span), request.instance
    instance.check_writable()
    size = check_span(first, count, instance.settings.block_size, instance.voxels.bytes)
    with request.throttled(), holding_memory(request, 2 * size):
        body = await request.read_body()
        write = await request.run(
            blocks_of_row, body, first, count, instance.settings.block_size, instance.voxels, instance.form
        )
        del body
        await write_in_turn(request, write)
    return empty(200, NOT_DURABLE)


@get("/subvolblocks/{size:str}/{offset:str}", also=())
async def subvolblocks(
    request: ImageRequest,
    size: FromPath[str],
    offset: FromPath[str],
    compression: FromQuery[str] = "",
    throttle: FromQuery[str | None] = None,
) -> Answer:
    """Return the blocks of a box of whole blocks, a stream; blocks that were never written are left out.

    size and offset are voxels. compression=uncompressed sends voxels; without it blocks are sent as they are kept, by
    the instance's Compression: lz4 (uint32 size, then an LZ4 block), none, gzip, snappy or jpeg.
    """
    del throttle
    read, raw = volume_read(request), check_compression(compression, request.instance.form)
    shape = shape_of("0_1_2", size, offset)
    with bad_input():
        box = whole_blocks(shape.box, read.block_size, MOST_BLOCKS)
    count = await request.run(read.count, box) if raw else None
    length = None if count is None else count * (HEADER_BYTES + read.block_bytes)
    return streamed(request, stream_pieces(read, box, raw=raw), _HOLDING, length)


@get("/specificblocks", also=())
async def specificblocks(
    request: ImageRequest,
    blocks: FromQuery[str] = "",
    compression: FromQuery[str] = "",
    prefetch: FromQuery[str | None] = None,
    throttle: FromQuery[str | None] = None,
) -> Answer:
    """Return the blocks at block coordinates, a stream in their order: blocks=x,y,z,x,y,z,...

    Those never written are left out. compression as in subvolblocks. prefetch=on: nothing is sent.
    """
    del throttle
    raw = check_compression(compression, request.instance.form)
    with bad_input():
        coordinates = parse_block_list(blocks, MOST_LISTED)
    if not coordinates or prefetch in ("on", "true"):
        return binary(b"")
    return streamed(request, stream_pieces(volume_read(request), coordinates, raw=raw), _HOLDING)


ROUTES = (blocks, post_blocks, subvolblocks, specificblocks)

"""Rows of blocks, and streams of them."""

from __future__ import annotations

from dvid_voxels.block_lists import parse_block_list, whole_blocks
from dvid_voxels.geometry import Box, Triple, parse_ints, parse_triple

from dvid_framework.api import (
    Answer,
    BadRequest,
    Call,
    FromPath,
    FromQuery,
    Later,
    at_hand,
    binary,
    empty,
    get,
    holding_memory,
    point_read,
    post,
    streamed,
)
from dvid_imageblk.ops.bounds import MOST_BLOCKS, MOST_LISTED, bad_input
from dvid_imageblk.ops.foreground import foreground_runs, parse_values
from dvid_imageblk.ops.ingest import blocks_of_row, check_span
from dvid_imageblk.ops.streams import (
    HEADER_BYTES,
    check_compression,
    row_at_hand,
    row_bytes,
    row_pieces,
    stream_at_hand,
    stream_pieces,
)
from dvid_imageblk.ops.volumes import WHOLE_BYTES, VolumeRead
from dvid_imageblk.routes.asked import NOT_DURABLE, ImageRequest, instance_of, shape_of, volume_read, write_in_turn

__all__ = ["ROUTES"]

_HOLDING = 32 << 20


def _row(block: str, span: str) -> tuple[Triple, int]:
    with bad_input():
        numbers = parse_ints(span, 1)
        return parse_triple(block), numbers[0]


@point_read("/blocks/{block:str}/{span:str}", also=())
def blocks(call: Call) -> Answer:
    """Return a row of blocks along x as voxels, each block by itself (Z, Y, X), without headers.

    block is the first block coordinate, such as 10_-2_7, span how many. Blocks never written are background. scale: of
    that resolution, in instances that have several.
    """
    first, count = _row(*call.segments[1:3])
    if count < 0:
        raise BadRequest("the number of blocks must not be negative")
    read = volume_read(call)
    size = row_bytes(read, first, count)
    parts = row_at_hand(read, first, count)
    if parts is not None:
        return at_hand(call, parts, size)
    if size <= WHOLE_BYTES:
        return Later(lambda: binary(b"".join(row_pieces(read, first, count))), call.server.pool)
    return streamed(call, row_pieces(read, first, count), _HOLDING, size)


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


def _stream(call: Call, read: VolumeRead, where: Box | list[Triple], raw: bool) -> Answer:
    """Answer with a stream of blocks: at once if they are in memory, else piece by piece."""
    parts = stream_at_hand(read, where) if raw else None
    if parts is not None:
        return at_hand(call, parts, sum(memoryview(part).nbytes for part in parts))
    pieces = stream_pieces(read, where, raw=raw)
    if not raw or not isinstance(where, Box):
        return streamed(call, pieces, _HOLDING)

    def counted() -> Answer:
        count = read.count(where)
        length = None if count is None else count * (HEADER_BYTES + read.block_bytes)
        return streamed(call, pieces, _HOLDING, length)

    return Later(counted, call.server.pool)


@point_read("/subvolblocks/{size:str}/{offset:str}", also=())
def subvolblocks(call: Call) -> Answer:
    """Return the blocks of a box of whole blocks, a stream; blocks that were never written are left out.

    size and offset are voxels. compression=uncompressed sends voxels; without it blocks are sent as they are kept, by
    the instance's Compression: lz4 (uint32 size, then an LZ4 block), none, gzip, snappy or jpeg. throttle=on: 503 if
    too many such requests run.
    """
    read = volume_read(call)
    raw = check_compression(call.query.get("compression", ""), instance_of(call).form)
    shape = shape_of("0_1_2", *call.segments[1:3])
    with bad_input():
        box = whole_blocks(shape.box, read.block_size, MOST_BLOCKS)
    return _stream(call, read, box, raw)


@point_read("/specificblocks", also=())
def specificblocks(call: Call) -> Answer:
    """Return the blocks at block coordinates, a stream in their order: blocks=x,y,z,x,y,z,...

    Those never written are left out. compression and throttle as in subvolblocks. prefetch=on: nothing is sent.
    """
    raw = check_compression(call.query.get("compression", ""), instance_of(call).form)
    with bad_input():
        coordinates = parse_block_list(call.query.get("blocks", ""), MOST_LISTED)
    call.note(num_blocks=len(coordinates))
    if not coordinates or call.query.get("prefetch") in ("on", "true"):
        return binary(b"")
    return _stream(call, volume_read(call), coordinates, raw)


@get("/roi", also=())
async def roi(
    request: ImageRequest, background: FromQuery[str] = "0", throttle: FromQuery[str | None] = None
) -> Answer:
    """Return the blocks that have a voxel of another value than background, as runs: `[[z,y,x0,x1],...]`.

    background is one value from 0 to 255, or several joined by commas. For types whose voxels are bytes. An instance of
    type roi with the same BlockSize takes the answer by POST roi.
    """
    del throttle
    instance = request.instance
    if instance.voxels.bytes != 1 or instance.settings.grid_store:
        raise BadRequest("roi is made of voxels of one byte that the instance keeps itself")
    pieces = foreground_runs(instance.stored(request.view), parse_values(background))
    return streamed(request, pieces, _HOLDING, media_type="application/json")


ROUTES = (blocks, post_blocks, subvolblocks, specificblocks, roi)

"""Streams of whole blocks."""

from __future__ import annotations

from collections.abc import Iterator

from dvid_labels.types import Buffer
from dvid_voxels.block_lists import parse_block_list, whole_blocks
from dvid_voxels.geometry import Triple

from dvid_framework.api import Answer, BadRequest, FromPath, FromQuery, empty, get, post, streamed
from dvid_labelmap.ops.blocks import (
    COMPRESSIONS,
    blocks_in,
    count_blocks,
    listed_blocks,
    stream_pieces,
)
from dvid_labelmap.ops.bounds import MOST_BLOCKS, MOST_LISTED, bad_input, parse_scale
from dvid_labelmap.ops.ingest import BlockWrite, blocks_of_stream, store_blocks
from dvid_labelmap.routes.asked import NOT_DURABLE, LabelRequest, shape_of, volume_read, write_in_turn, write_voxels

__all__ = ["ROUTES"]

_HOLDING = 64 << 20
_HEADER_BYTES = 16


def _checked(compression: str) -> str:
    if compression not in COMPRESSIONS:
        raise BadRequest(f"unknown compression {compression[:20]!r}; {', '.join(COMPRESSIONS)} are allowed")
    return compression


def _stream(
    request: LabelRequest, found: Iterator[tuple[Triple, memoryview]], scale: int, compression: str, count: int | None
) -> Answer:
    """Answer with blocks; their number is known where the length of the answer can be told."""
    size = request.instance.settings.block_size
    read = volume_read(request, None, request.query.get("supervoxels"))
    pieces: Iterator[Buffer] = stream_pieces(found, scale, size, compression, read.mapping)
    length = None if count is None else count * (_HEADER_BYTES + 8 * size[0] * size[1] * size[2])
    return streamed(request, pieces, _HOLDING, length)


@get("/blocks/{size:str}/{offset:str}")
async def blocks(
    request: LabelRequest,
    size: FromPath[str],
    offset: FromPath[str],
    compression: FromQuery[str] = "lz4",
    scale: FromQuery[str | None] = None,
    supervoxels: FromQuery[str | None] = None,
    throttle: FromQuery[str | None] = None,
) -> Answer:
    """Return the blocks of a box of whole blocks, a stream; blocks that were never written are left out.

    compression is lz4, gzip (both of raw labels), blocks (gzip of DVID label blocks, as they are stored: the fastest)
    or uncompressed. size and offset are voxels of the scale. supervoxels=true: labels as they are stored.
    """
    del supervoxels, throttle
    level, word = parse_scale(scale), _checked(compression)
    shape = shape_of("0_1_2", size, offset)
    with bad_input():
        box = whole_blocks(shape.box, request.instance.settings.block_size, MOST_BLOCKS)
    count = await request.run(count_blocks, request.view, level, box) if word == "uncompressed" else None
    return _stream(request, blocks_in(request.view, level, box), level, word, count)


@get("/specificblocks")
async def specificblocks(
    request: LabelRequest,
    blocks: FromQuery[str | None] = None,
    compression: FromQuery[str] = "blocks",
    scale: FromQuery[str | None] = None,
    supervoxels: FromQuery[str | None] = None,
    throttle: FromQuery[str | None] = None,
) -> Answer:
    """Return the blocks at block coordinates, a stream: blocks=x,y,z,x,y,z,...; those never written are left out.

    compression is blocks (gzip of DVID label blocks), lz4, gzip or uncompressed.
    """
    del supervoxels, throttle
    level, word = parse_scale(scale), _checked(compression)
    with bad_input():
        coordinates = parse_block_list(blocks or "", MOST_LISTED)
    request.call.note(num_blocks=len(coordinates))
    if not coordinates:
        return empty()
    return _stream(request, listed_blocks(request.view, level, coordinates), level, word, None)


def _write_scale(request: LabelRequest, scale: str | None) -> int:
    level = parse_scale(scale)
    if level > request.instance.settings.max_downres_level:
        raise BadRequest(f"the instance has scales 0 to {request.instance.settings.max_downres_level}")
    return level


async def _read_blocks(request: LabelRequest, *, counting: bool = False) -> BlockWrite | None:
    # What is stored of a stream is never less than the stream.
    body = await request.read_body(min(request.server.limits.body_bytes, request.server.limits.mutation_bytes))
    return await request.run(blocks_of_stream, body, request.instance.settings.block_size, counting=counting)


@post("/blocks")
async def post_blocks(
    request: LabelRequest,
    scale: FromQuery[str | None] = None,
    downres: FromQuery[str | None] = None,
    noindexing: FromQuery[str | None] = None,
    compression: FromQuery[str] = "blocks",
) -> Answer:
    """Write a stream of blocks, each the gzip of a DVID label block of BlockSize.

    downres=true makes the lower scales; without it only this scale is written. noindexing=true leaves bodies as they
    are. All is written, or after an error nothing.
    """
    level = _write_scale(request, scale)
    if compression != "blocks":
        raise BadRequest("blocks are written as gzip of DVID label blocks: compression=blocks")
    if downres == "true" and level:
        raise BadRequest("downres=true makes lower scales of scale 0 only")
    with request.throttled():
        indexing = noindexing != "true"
        counting = indexing and not level and request.instance.settings.indexed_labels
        write = await _read_blocks(request, counting=counting)
        if write is not None and level:
            await write_in_turn(request, write, store_blocks, scale=level, numbered=True)
        elif write is not None:
            await write_voxels(request, write, downres=downres == "true", indexing=indexing)
    return empty(200, NOT_DURABLE)


@post("/ingest-supervoxels")
async def ingest_supervoxels(request: LabelRequest, scale: FromQuery[str | None] = None) -> Answer:
    """Write a stream of blocks as POST blocks takes it, and nothing else: no lower scales, extents or largest label.

    For loaders that make all scales themselves: the quickest way in.
    """
    level = _write_scale(request, scale)
    write = await _read_blocks(request)
    if write is not None:
        await write_in_turn(request, write, store_blocks, scale=level, numbered=False)
    return empty(200, NOT_DURABLE)


ROUTES = (blocks, specificblocks, post_blocks, ingest_supervoxels)

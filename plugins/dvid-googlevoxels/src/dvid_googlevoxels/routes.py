"""The HTTP addresses below an instance."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import ExitStack

from dvid_voxels.geometry import Box, GeometryError, parse_triple
from dvid_voxels.shapes import Dims, Shape, parse_dims, parse_shape

from dvid_framework.api import (
    Answer,
    BadRequest,
    FromPath,
    FromQuery,
    InstanceRequest,
    Pieces,
    binary,
    empty,
    get,
    holding_memory,
    refusing,
)
from dvid_googlevoxels.codec import ImageFormat
from dvid_googlevoxels.instance import GoogleVoxelsInstance
from dvid_googlevoxels.ops import (
    Subvolume,
    Tile,
    compressed_voxels,
    read_tile,
    stream_voxels,
    whole_image,
    whole_subvolume,
)

__all__ = ["ROUTES"]

_Request = InstanceRequest[GoogleVoxelsInstance]
_LARGEST_TILE = 8192
_COPIES = 3
_PIECES = 4 << 20


def _number(text: str, name: str, most: int, least: int = 0) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 6 and least <= int(text) <= most):
        raise BadRequest(f"{name} must be a number from {least} to {most}, and not {text[:20]!r}")
    return int(text)


def _tile_shape(dims: str, coordinate: str, side: int) -> Shape:
    """In the plane coordinates count tiles, across it voxels."""
    with refusing(GeometryError):
        plane, numbers = parse_dims(dims), parse_triple(coordinate)
        if plane is Dims.VOLUME:
            raise BadRequest(f"a tile is of a plane: xy, xz or yz, and not {dims!r}")
        first = [number * side if axis in plane.value else number for axis, number in enumerate(numbers)]
        size = [side if axis in plane.value else 1 for axis in range(3)]
        return Shape(plane, Box((first[0], first[1], first[2]), (size[0], size[1], size[2])))


async def _held(request: _Request, count: int, function: Callable[[], bytes], media_type: str) -> Answer:
    """Ask the service in a thread while the request holds memory and, if it is throttled, a place."""
    with request.throttled(), holding_memory(request, count):
        loop = asyncio.get_running_loop()
        return binary(await loop.run_in_executor(request.instance.threads, function), media_type)


async def _image(request: _Request, tile: Tile) -> Answer:
    # the most that a voxel has, and the image beside it
    count = _COPIES * 8 * tile.shape.box.voxels
    return await _held(request, count, lambda: read_tile(request.instance, tile), tile.image.content_type)


async def _tile(request: _Request, dims: str, scaling: str, coordinate: str, image: str) -> Answer:
    size = request.query.get("tilesize", "")
    side = _number(size, "tilesize", _LARGEST_TILE, 1) if size else request.instance.settings.tile_size
    level = _number(scaling, "the scaling", 255)
    shape, blanks = _tile_shape(dims, coordinate, side), not request.flag("noblanks")
    return await _image(request, Tile(shape, level, ImageFormat.parse(image), blanks))


@get("/tile/{dims:str}/{scaling:str}/{coordinate:str}", also=())
async def get_tile(
    request: _Request,
    dims: FromPath[str],
    scaling: FromPath[str],
    coordinate: FromPath[str],
    tilesize: FromQuery[str | None] = None,
    noblanks: FromQuery[str | None] = None,
) -> Answer:
    """Return a tile of a plane (xy, xz, yz) as PNG: `tile/xy/0/3_4_100`.

    In the plane the coordinate counts tiles, across it voxels. `tilesize` (512 by default) is its width and height. A
    tile outside the volume is blank, or 404 with `noblanks=true`; one across the border is filled with 0.
    """
    del tilesize, noblanks
    return await _tile(request, dims, scaling, coordinate, "")


@get("/tile/{dims:str}/{scaling:str}/{coordinate:str}/{image:str}", also=())
async def get_tile_format(
    request: _Request,
    dims: FromPath[str],
    scaling: FromPath[str],
    coordinate: FromPath[str],
    image: FromPath[str],
    tilesize: FromQuery[str | None] = None,
    noblanks: FromQuery[str | None] = None,
) -> Answer:
    """Return a tile as png, png:7 (level), jpg, jpeg or jpeg:80 (quality)."""
    del tilesize, noblanks
    return await _tile(request, dims, scaling, coordinate, image)


def _streamed(request: _Request, asked: Subvolume) -> Answer:
    stack = ExitStack()
    try:
        stack.enter_context(request.throttled())
        stack.enter_context(holding_memory(request, _PIECES))
        pieces = stream_voxels(request.instance, asked)
    except BaseException:
        stack.close()
        raise
    return Pieces(pieces, request.instance.threads, length=asked.length, on_end=stack.close)


async def _voxels(request: _Request, box: Box, scaling: int, image: str | None) -> Answer:
    compression = request.query.get("compression", "")
    if compression not in ("", "none", "raw", "lz4"):
        raise BadRequest(f"compression must be raw, none or lz4, and not {compression[:20]!r}")
    picture = None if image is None else ImageFormat.parse(image)
    instance = request.instance
    asked = whole_subvolume(instance, box, scaling)
    if asked is None:
        return empty()
    media_type = "application/octet-stream"
    if picture is not None:
        wanted = picture
        return await _held(request, 2 * asked.length, lambda: whole_image(instance, asked, wanted), media_type)
    if compression == "lz4":
        return await _held(request, 2 * asked.length, lambda: compressed_voxels(instance, asked), media_type)
    return _streamed(request, asked)


async def _raw(request: _Request, dims: str, size: str, offset: str, image: str | None) -> Answer:
    scaling = _number(request.query.get("scale", "") or "0", "scale", 255)
    with refusing(GeometryError):
        shape = parse_shape(dims, size, offset)
    if shape.dims is Dims.VOLUME:
        return await _voxels(request, shape.box, scaling, image)
    return await _image(request, Tile(shape, scaling, ImageFormat.parse(image or "")))


@get("/raw/{dims:str}/{size:str}/{offset:str}", also=())
async def get_raw(
    request: _Request,
    dims: FromPath[str],
    size: FromPath[str],
    offset: FromPath[str],
    scale: FromQuery[str | None] = None,
    compression: FromQuery[str | None] = None,
    throttle: FromQuery[str | None] = None,
) -> Answer:
    """Return a slice as PNG, or a subvolume (0_1_2) as voxels, x fastest, then y, z: `raw/0_1_2/64_64_64/0_0_0`.

    `scale` counts how often resolution is halved. `compression=lz4` gives the voxels of a subvolume as one LZ4 block. A
    subvolume must lie within the volume; one that begins outside is empty.
    """
    del scale, compression, throttle
    return await _raw(request, dims, size, offset, None)


@get("/raw/{dims:str}/{size:str}/{offset:str}/{image:str}", also=())
async def get_raw_format(
    request: _Request,
    dims: FromPath[str],
    size: FromPath[str],
    offset: FromPath[str],
    image: FromPath[str],
    scale: FromQuery[str | None] = None,
    compression: FromQuery[str | None] = None,
    throttle: FromQuery[str | None] = None,
) -> Answer:
    """Return a slice, or a subvolume as a single image, as png, png:7 (level), jpg, jpeg or jpeg:80 (quality)."""
    del scale, compression, throttle
    return await _raw(request, dims, size, offset, image)


ROUTES = (get_tile, get_tile_format, get_raw, get_raw_format)

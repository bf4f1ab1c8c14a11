"""The HTTP addresses below an instance."""

from __future__ import annotations

from functools import partial

from dvid_voxels.geometry import GeometryError
from dvid_voxels.images import Format, parse_format
from dvid_voxels.shapes import Shape, parse_shape

from dvid_framework.api import (
    Answer,
    Call,
    FromPath,
    InstanceRequest,
    Later,
    binary,
    empty,
    get,
    holding_memory,
    json_answer,
    point_read,
    post,
    refusing,
)
from dvid_imagetile.codec import CONTENT_TYPES
from dvid_imagetile.instance import ImageTileInstance
from dvid_imagetile.keys import parse_address, store_key
from dvid_imagetile.model import parse_spec
from dvid_imagetile.ops.generate import plan_of
from dvid_imagetile.ops.plan import parse_options
from dvid_imagetile.ops.stitch import check_image, isotropic_image, stitched_image
from dvid_imagetile.ops.tiles import put_tile, shown_tile, stored_tile

__all__ = ["ROUTES"]

_Request = InstanceRequest[ImageTileInstance]
_SPEC_BYTES = 1 << 20
_TILE_BYTES = 64 << 20
_COPIES = 4


@point_read("/info", also=())
def info(call: Call) -> Answer:
    """Return what the instance is: `Base`, the same for all types, and source, levels and format of the tiles."""
    assert call.instance is not None
    assert call.version is not None
    return json_answer(call.instance.info(call.version))


@get("/metadata", also=())
async def get_metadata(request: _Request) -> Answer:
    """Return the levels: `{"MinTileCoord": [0,0,0], "MaxTileCoord": [5,5,4], "Levels": {"0": {...}, ...}}`.

    Each level has `Resolution` and `TileSize`, along x, y, z. 400 while they are not set.
    """
    return json_answer(request.instance.spec.shown)


@post("/metadata")
async def post_metadata(request: _Request) -> Answer:
    """Set the levels, for all versions; the body is as GET answers. MinTileCoord and MaxTileCoord may be left out.

    Each Resolution must be a whole multiple of the one before, along each axis.
    """
    spec = parse_spec(await request.read_body(_SPEC_BYTES))
    await request.run(request.instance.set_spec, spec, request.who)
    return empty()


def _tile(call: Call, image: str) -> Answer:
    """Answer a stored tile at once; one that must be decoded, and a blank one, in a thread."""
    instance, address = call.instance_as(ImageTileInstance), parse_address(*call.segments[1:4])
    stored = stored_tile(instance, call.view, address)
    if stored is not None and instance.settings.format != "lz4":
        return binary(stored, CONTENT_TYPES[instance.settings.format])
    blanks = not call.flag("noblanks")
    return Later(lambda: binary(*shown_tile(instance, stored, address, image, blanks)), call.server.pool)


@point_read("/tile/{dims:str}/{scaling:str}/{coordinate:str}", also=())
def get_tile(call: Call) -> Answer:
    """Return a tile of a plane (xy, xz, yz) as it is stored: `tile/xy/0/3_4_100`; tiles in LZ4 are sent as PNG.

    In the plane the coordinate counts tiles of the level, across it voxels. A missing tile is a blank one, or 404 with
    `noblanks=true`.
    """
    return _tile(call, "")


@point_read("/tile/{dims:str}/{scaling:str}/{coordinate:str}/{image:str}", also=())
def get_tile_format(call: Call) -> Answer:
    """Return a tile as it is stored; a missing one blank, as png, jpg, jpg:80 (quality), tif or bmp."""
    return _tile(call, call.segments[4])


@post("/tile/{dims:str}/{scaling:str}/{coordinate:str}")
async def post_tile(
    request: _Request, dims: FromPath[str], scaling: FromPath[str], coordinate: FromPath[str]
) -> Answer:
    """Store a tile, at most 64 MB, as it is: a PNG, a JPEG or DVID's LZ4 framing, by the setting Format. Unchecked."""
    address = parse_address(dims, scaling, coordinate)
    tile = await request.read_body(_TILE_BYTES)

    def write() -> None:
        with request.begin() as txn:
            put_tile(txn, address, tile)

    await request.run(write)
    return empty()


@get("/tilekey/{dims:str}/{scaling:str}/{coordinate:str}", also=())
async def get_tile_key(
    request: _Request, dims: FromPath[str], scaling: FromPath[str], coordinate: FromPath[str]
) -> Answer:
    """Return the key that stores of DVID have for a tile, in hex: `{"key": "..."}`."""
    address = parse_address(dims, scaling, coordinate)
    key = store_key(address, request.instance.record.id, request.version.id).hex()
    return binary(f'{{"key": "{key}"}}'.encode(), "application/json")


def _asked(dims: str, size: str, offset: str, image: str) -> tuple[Shape, Format]:
    with refusing(GeometryError):
        shape, image_format = parse_shape(dims, size, offset), parse_format(image)
    check_image(shape)
    return shape, image_format


async def _image(request: _Request, isotropic: bool, dims: str, size: str, offset: str, image: str) -> Answer:
    shape, image_format = _asked(dims, size, offset, image)
    instance, view = request.instance, request.view
    make = partial(isotropic_image, instance, request.version) if isotropic else partial(stitched_image, instance)
    with request.throttled(), holding_memory(request, _COPIES * 8 * shape.box.voxels):
        return binary(*await request.run(make, view, shape, image_format))


@get("/raw/{dims:str}/{size:str}/{offset:str}", also=())
async def get_raw(request: _Request, dims: FromPath[str], size: FromPath[str], offset: FromPath[str]) -> Answer:
    """Return an image stitched from tiles of level 0, as PNG: `raw/xy/400_200/100_50_7`; 0 where there are none."""
    return await _image(request, False, dims, size, offset, "")


@get("/raw/{dims:str}/{size:str}/{offset:str}/{image:str}", also=())
async def get_raw_format(
    request: _Request, dims: FromPath[str], size: FromPath[str], offset: FromPath[str], image: FromPath[str]
) -> Answer:
    """Return a stitched image as png, jpg, jpg:80 (quality), tif or bmp."""
    return await _image(request, False, dims, size, offset, image)


@get("/isotropic/{dims:str}/{size:str}/{offset:str}", also=())
async def get_isotropic(request: _Request, dims: FromPath[str], size: FromPath[str], offset: FromPath[str]) -> Answer:
    """Return a stitched image with square pixels, by the source's VoxelSize, as PNG."""
    return await _image(request, True, dims, size, offset, "")


@get("/isotropic/{dims:str}/{size:str}/{offset:str}/{image:str}", also=())
async def get_isotropic_format(
    request: _Request, dims: FromPath[str], size: FromPath[str], offset: FromPath[str], image: FromPath[str]
) -> Answer:
    """Return a stitched image with square pixels as png, jpg, jpg:80 (quality), tif or bmp."""
    return await _image(request, True, dims, size, offset, image)


@post("/generate")
async def generate(request: _Request) -> Answer:
    """Make all tiles from the source, in the background; answers `{"result": "...", "job": ID}`, see `/api/jobs/ID`.

    The body may be empty, or a JSON object: `planes` ("xy;0,2"; all by default), `zrange`, `yrange`, `xrange` (first
    and last slice of the planes xy, xz, yz, such as "0,99"), `levels` (as `Levels` of metadata; by default 512 pixels
    and as many as are needed). Slices keep their numbers at every level, and each is scaled by itself. The levels are
    set when all is done. A cancelled or failed job keeps what it has made, and goes on there when it is resumed.
    """
    arguments = parse_options(await request.read_body(_SPEC_BYTES))
    instance, version, call = request.instance, request.version, request.call

    def start() -> str:
        plan_of(instance, version, arguments)
        return instance.start_generating(version, arguments, call.user, call.app)

    job = await request.run(start)
    return json_answer({"result": f'Tiling data instance "{instance.name}" @ node {version.uuid}...', "job": job})


ROUTES = (
    info,
    get_metadata,
    post_metadata,
    get_tile,
    get_tile_format,
    post_tile,
    get_tile_key,
    get_raw,
    get_raw_format,
    get_isotropic,
    get_isotropic_format,
    generate,
)

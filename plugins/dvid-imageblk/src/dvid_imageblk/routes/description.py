"""What the instance is: info, extents, resolution."""

from __future__ import annotations

import msgspec
from dvid_voxels.block_lists import parse_block_list
from dvid_voxels.extents import parse_extents
from dvid_voxels.geometry import GeometryError
from dvid_voxels.settings_text import check_voxel_size

from dvid_framework.api import (
    Answer,
    BadRequest,
    Call,
    FromQuery,
    binary,
    empty,
    get,
    json_answer,
    point_read,
    post,
)
from dvid_imageblk.keys import block_key
from dvid_imageblk.ops.bounds import MOST_LISTED, bad_input
from dvid_imageblk.ops.extents import set_extents
from dvid_imageblk.routes.asked import ImageRequest

__all__ = ["ROUTES"]

_BODY_BYTES = 1 << 20
_METADATA = "application/vnd.dvid-nd-data+json"


@point_read("/info", also=())
def info(call: Call) -> Answer:
    """Return what the instance is: `Base`, the same for all types, `Extended` and `Extents`."""
    assert call.instance is not None
    assert call.version is not None
    return json_answer(call.instance.info(call.version))


@post("/info")
async def post_info(request: ImageRequest) -> Answer:
    """Refused: settings of images are changed by resolution and extents."""
    raise BadRequest(f"info of {request.instance.name!r} can't be changed: POST resolution or extents")


@get("/metadata", also=("POST",))
async def metadata(request: ImageRequest) -> Answer:
    """Return resolution, units, size and offset of each axis at this version, and the settings."""
    return binary(msgspec.json.encode(request.instance.metadata(request.version)) + b"\n", _METADATA)


@post("/extents")
async def post_extents(request: ImageRequest) -> Answer:
    """Set the extents of this version: `{"MinPoint": [0,0,0], "MaxPoint": [63,63,63]}`, both included."""
    body = await request.read_body(_BODY_BYTES)
    with bad_input():
        extents = parse_extents(body)

    def run() -> None:
        with request.begin() as txn:
            set_extents(request.instance, request.version, txn, extents)

    await request.run(run)
    return empty()


@post("/resolution")
async def post_resolution(request: ImageRequest) -> Answer:
    """Set the size of a voxel, for all versions: a JSON list of three numbers, such as [8, 8, 40]."""
    sizes = await request.read_json(list[float], _BODY_BYTES)
    try:
        size = check_voxel_size(sizes)
    except GeometryError as error:
        raise BadRequest(f"the resolution is wrong: {error}") from error
    await request.run(lambda: request.instance.change(request.who, voxel_size=size))
    return empty()


@get("/rawkey", also=())
async def rawkey(
    request: ImageRequest, x: FromQuery[str] = "", y: FromQuery[str] = "", z: FromQuery[str] = ""
) -> Answer:
    """Return the key under which a block is kept, in hexadecimal: `{"Key": "17..."}`; x, y, z is its coordinate."""
    if len(request.call.segments) > 1:
        raise BadRequest("nothing may follow rawkey: give the block coordinate as ?x=&y=&z=")
    with bad_input():
        place = parse_block_list(f"{x},{y},{z}", MOST_LISTED)[0]
    return json_answer({"Key": block_key(0, place).hex()})


ROUTES = (info, post_info, metadata, post_extents, post_resolution, rawkey)

"""What the instance is: settings, extents, resolution."""

from __future__ import annotations

import json

import msgspec
from dvid_voxels.extents import parse_extents
from dvid_voxels.geometry import GeometryError
from dvid_voxels.settings_text import check_voxel_size

from dvid_framework.api import Answer, BadRequest, binary, empty, get, post, text_answer
from dvid_labelmap.ops.bounds import bad_input
from dvid_labelmap.ops.extents import set_extents
from dvid_labelmap.routes.asked import LabelRequest

__all__ = ["ROUTES"]

_BODY_BYTES = 1 << 20
_METADATA = "application/vnd.dvid-nd-data+json"


@post("/info")
async def post_info(request: LabelRequest) -> Answer:
    """Change settings for all versions: a JSON object of texts, such as `{"VoxelUnits": "microns,microns,microns"}`.

    VoxelSize, VoxelUnits, MinPoint, MaxPoint, MaxDownresLevel, Background; not BlockSize and IndexedLabels.
    """
    config = await request.read_json(dict[str, object], _BODY_BYTES)
    await request.run(request.instance.post_info, request.version, config, request.who)
    return text_answer(f"Changed '{request.instance.name}' based on received configuration:\n{json.dumps(config)}\n")


@get("/metadata")
async def metadata(request: LabelRequest) -> Answer:
    """Return resolution, units, size and offset of each axis at this version, and the settings."""
    return binary(msgspec.json.encode(request.instance.metadata(request.version)), _METADATA)


@post("/extents")
async def post_extents(request: LabelRequest) -> Answer:
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
async def post_resolution(request: LabelRequest) -> Answer:
    """Set the size of a voxel, for all versions: a JSON list of three numbers, such as [8, 8, 40]."""
    sizes = await request.read_json(list[float], _BODY_BYTES)
    try:
        size = check_voxel_size(sizes, above=0.0)
    except GeometryError as error:
        raise BadRequest(f"the resolution is wrong: {error}") from error
    await request.run(lambda: request.instance.change(request.who, voxel_size=size))
    return empty()


ROUTES = (post_info, metadata, post_extents, post_resolution)

"""What is seldom asked of bodies: grids for volume renderers, and how near they come to each other."""

from __future__ import annotations

from dvid_framework.api import (
    Answer,
    BadRequest,
    FromPath,
    FromQuery,
    NotFound,
    binary,
    get,
    holding_memory,
    json_answer,
)
from dvid_labelmap.ops.body_index import read_index
from dvid_labelmap.ops.bounds import parse_scale
from dvid_labelmap.ops.counters import parse_label
from dvid_labelmap.ops.mapping import body_mapping
from dvid_labelmap.ops.nanovdb import index_grid, voxels_of_runs
from dvid_labelmap.ops.points import BlockSource
from dvid_labelmap.ops.proximity import proximities
from dvid_labelmap.ops.sizes import supervoxel_index
from dvid_labelmap.ops.sparse import SparseRead
from dvid_labelmap.routes.asked import LabelRequest
from dvid_labelmap.routes.bodies import indexed_view
from dvid_labelmap.routes.changes import need_bodies

__all__ = ["ROUTES"]

_HOLDING = 256 << 20
_MOST_NEIGHBOURS = 1000


def _grid(request: LabelRequest, label: int, scale: int, name: str) -> bytes:
    instance, view = indexed_view(request.call)
    if request.flag("supervoxels"):
        index = supervoxel_index(instance, view, label)
    elif (found := read_index(view, label)) is not None:
        index = found
    else:
        raise NotFound("")
    settings = instance.settings
    read = SparseRead.of(BlockSource(view, settings.block_size, scale), label, index, None)
    places = voxels_of_runs(read.runs())
    if not len(places):
        raise NotFound("")
    x, y, z = (size * 2**scale for size in settings.voxel_size)
    return index_grid(places, name, (x, y, z))


@get("/fvdb/{label:str}")
async def fvdb(
    request: LabelRequest,
    label: FromPath[str],
    scale: FromQuery[str | None] = None,
    name: FromQuery[str | None] = None,
    supervoxels: FromQuery[str | None] = None,
) -> Answer:
    """Return the voxels of a body (supervoxels=true: a supervoxel) as a NanoVDB IndexGrid, which fVDB reads.

    scale: in voxels of that scale. name: of the grid, and of the file; `label_` and the label by default.
    """
    del supervoxels
    need_bodies(request)
    number, level = parse_label(label), parse_scale(scale)
    title = name or f"label_{number}"
    if not (title.isascii() and title.isprintable()) or any(letter in title for letter in '"\\/'):
        raise BadRequest("the name of a grid may have printable ASCII letters, without quotes and slashes")
    with holding_memory(request, _HOLDING):
        grid = await request.run(_grid, request, number, level, title)
    return binary(grid, headers={"Content-Disposition": f'attachment; filename="{title}.nvdb"'})


@get("/proximity/{label:str}/{others:str}")
async def proximity(request: LabelRequest, label: FromPath[str], others: FromPath[str]) -> Answer:
    """Return how near other bodies, separated by commas, come to a body, in each block that it shares with them.

    `[{"Block": [x, y, z], "Label": 8, "Distance": 1.0}]`: block coordinate, the other body, and the smallest distance
    of their voxels' centers within the block, in voxels. Also as proximity/LABEL,OTHER,OTHER.
    """
    return await _proximity(request, [label, *others.split(",", _MOST_NEIGHBOURS)])


@get("/proximity/{labels:str}")
async def proximity_of_list(request: LabelRequest, labels: FromPath[str]) -> Answer:
    """Return the same; the first of the labels is the body whose neighbours are asked for."""
    return await _proximity(request, labels.split(",", _MOST_NEIGHBOURS + 1))


async def _proximity(request: LabelRequest, texts: list[str]) -> Answer:
    need_bodies(request)
    body, *others = [parse_label(text) for text in texts]
    if not 1 <= len(others) <= _MOST_NEIGHBOURS or len({body, *others}) <= len(others):
        raise BadRequest(f"a body and at most {_MOST_NEIGHBOURS} others are needed, all of them different")
    instance, view = indexed_view(request.call)
    mapping, size = body_mapping(instance, view, False), instance.settings.block_size
    return json_answer(await request.run(proximities, view, mapping, size, body, others))


ROUTES = (fvdb, proximity, proximity_of_list)

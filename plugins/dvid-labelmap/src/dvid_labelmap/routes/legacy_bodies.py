"""Bodies of labelarray and labelvol."""

from __future__ import annotations

from dvid_framework.api import (
    Answer,
    BadRequest,
    Call,
    FromPath,
    delete,
    empty,
    get,
    json_answer,
    point_read,
    post,
)
from dvid_labelmap.ops.block_splitting import split_blocks
from dvid_labelmap.ops.body_splitting import split_body
from dvid_labelmap.ops.counters import parse_label
from dvid_labelmap.ops.split_runs import parse_split
from dvid_labelmap.routes import bodies, counters, proofreading, sparse
from dvid_labelmap.routes.changes import change_bodies, need_bodies
from dvid_labelmap.routes.legacy_source import LegacyRequest, answer_of, hand_on, handed_on

__all__ = ["OF_LABELARRAY", "OF_LABELVOL", "ROUTES"]

_SPLIT_BYTES = 512 << 20
_SIZE = b'{"numblocks": %d, "minvoxel": [%d, %d, %d], "maxvoxel": [%d, %d, %d]}'


@point_read("/sparsevol/{label:str}")
def sparsevol(call: Call) -> Answer:
    """Return the voxels of a body: a header of 12 bytes, then int32 x, y, z, length of each run along x.

    compression=lz4 or gzip. minx, maxx, miny, ...: only within these voxels, both included; exact=false: whole blocks
    that touch them. HEAD: 200, or 204 if there is no such body. A labelarray has scale=, and format=srles or blocks.
    """
    return sparse.sparsevol(hand_on(call))


@point_read("/sparsevol-by-point/{point:str}")
def sparsevol_by_point(call: Call) -> Answer:
    """Return the voxels of the body at a voxel x_y_z; as sparsevol."""
    return sparse.sparsevol_by_point(hand_on(call))


@point_read("/sparsevol-coarse/{label:str}")
def sparsevol_coarse(call: Call) -> Answer:
    """Return the blocks of a body, as runs of block coordinates."""
    return sparse.sparsevol_coarse(hand_on(call))


@get("/sparsevols-coarse/{first:str}/{last:str}")
async def sparsevols_coarse(request: LegacyRequest, first: FromPath[str], last: FromPath[str]) -> Answer:
    """Return the blocks of the bodies from first to last: for each uint64 label, int32 n, and n runs of blocks."""
    return await answer_of(sparse.sparsevols_coarse, handed_on(request), first, last)


@point_read("/sparsevol-size/{label:str}")
def sparsevol_size(call: Call) -> Answer:
    """Return the bounding box of a body: `{"numblocks": 1, "minvoxel": [0, 0, 0], "maxvoxel": [63, 63, 63]}`."""
    given = hand_on(call)
    return bodies.volume_answer(given, lambda found: _SIZE % (found.blocks, *bodies.box_of(given, found)))


@get("/maxlabel")
async def maxlabel(request: LegacyRequest) -> Answer:
    """Return the largest label of this version and its ancestors: `{"maxlabel": 20}`; 400 without any."""
    return await answer_of(counters.maxlabel, handed_on(request))


@get("/nextlabel")
async def nextlabel(request: LegacyRequest) -> Answer:
    """Return the label that would be given next: `{"nextlabel": 21}`."""
    return await answer_of(counters.nextlabel, handed_on(request))


@post("/merge")
async def merge(request: LegacyRequest) -> Answer:
    """Merge bodies into the first one, which keeps its label: a JSON list [target, label, ...]. No body is answered."""
    await answer_of(proofreading.merge, handed_on(request))
    return empty()


def _wanted(request: LegacyRequest) -> int:
    text = request.query.get("splitlabel")
    return parse_label(text) if text else 0


@post("/split/{label:str}")
async def split(request: LegacyRequest, label: FromPath[str]) -> Answer:
    """Make voxels of a body a body of their own: a sparse volume as sparsevol answers it, all within the body.

    The new body gets a new label, or the one of splitlabel=. Answers `{"label": 41}`.
    """
    given, body, wanted = handed_on(request), parse_label(label), _wanted(request)
    need_bodies(given)
    runs = await request.run(parse_split, await request.read_body(_SPLIT_BYTES))
    _, made = await change_bodies(given, lambda change: split_body(change, body, runs, wanted))
    return json_answer({"label": made})


@post("/split-coarse/{label:str}")
async def split_coarse(request: LegacyRequest, label: FromPath[str]) -> Answer:
    """Make what a body has in whole blocks a body of its own: a sparse volume of block coordinates.

    The new body gets a new label, or the one of splitlabel=. Answers `{"label": 41}`.
    """
    given, body, wanted = handed_on(request), parse_label(label), _wanted(request)
    need_bodies(given)
    runs = await request.run(parse_split, await request.read_body(_SPLIT_BYTES))
    _, made = await change_bodies(given, lambda change: split_blocks(change, body, runs, wanted))
    return json_answer({"label": made})


@post("/resync/{label:str}")
async def resync(request: LegacyRequest, label: FromPath[str]) -> Answer:
    """Make the voxels of a body anew from the labelblk; they always are what it says, so there is nothing to do."""
    parse_label(label)
    handed_on(request)
    return empty()


@delete("/area/{label:str}/{size:str}/{offset:str}")
async def area(request: LegacyRequest, label: FromPath[str], size: FromPath[str], offset: FromPath[str]) -> Answer:
    """Refuse to forget that a body has voxels in a box: bodies are what the labelblk says, so write it there."""
    del label, size, offset
    raise BadRequest(f"bodies of {request.instance.name!r} are what its labelblk says: write other voxels there")


ROUTES = (sparsevol, sparsevol_by_point, sparsevol_coarse, maxlabel, nextlabel, merge, split, split_coarse)
OF_LABELARRAY = (sparsevols_coarse, sparsevol_size)
OF_LABELVOL = (resync, area)

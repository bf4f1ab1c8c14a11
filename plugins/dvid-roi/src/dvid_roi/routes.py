"""The HTTP addresses below an instance."""

from __future__ import annotations

from dvid_framework.api import (
    Answer,
    BadRequest,
    Call,
    FromQuery,
    InstanceRequest,
    Later,
    Pieces,
    at_hand,
    binary,
    delete,
    empty,
    get,
    holding_json,
    point_read,
    post,
)
from dvid_roi import codec
from dvid_roi.instance import RoiInstance
from dvid_roi.mask import mask_parts, mask_pieces, parse_box
from dvid_roi.model import Runs
from dvid_roi.ops import points_inside, replace_runs
from dvid_roi.partition import partition
from dvid_roi.region import Region

__all__ = ["ROUTES"]

_JSON = "application/json"
_BODY_BYTES = 64 << 20
_FEW_RUNS = 50_000
_FEW_BYTES = 64 << 10  # of points that are quicker looked up than a thread is asked
_MOST_DIGITS = 9
_Request = InstanceRequest[RoiInstance]


@get("/roi")
async def get_roi(request: _Request) -> Answer:
    """Return the runs of the ROI, `[[z,y,x0,x1],...]` in blocks, as they were posted, sorted; x1 belongs to a run."""
    region = await request.run(request.instance.region, request.version)
    pieces = codec.encode_runs(region.runs)
    if len(region.runs) <= _FEW_RUNS:
        return binary(b"".join(pieces), _JSON)
    return Pieces(pieces, request.server.pool, media_type=_JSON)


def _replace(request: _Request, runs: Runs) -> None:
    """No other replacement may come between what is read here and what is written."""
    instance = request.instance
    with instance.lock, instance.view(request.version) as view, request.begin(durable=False) as txn:
        replace_runs(view, txn, runs)
    instance.log.make_durable(txn.number)  # one fsync for all who wait for one, and none while the lock is held


@post("/roi")
async def post_roi(request: _Request) -> Answer:
    """Replace the ROI by the runs of the body, `[[z,y,x0,x1],...]` in any order; if one is bad, nothing is changed."""
    body = await request.read_body(_BODY_BYTES)
    with holding_json(request, body):
        await request.run(lambda: _replace(request, codec.decode_runs(body)))
    return empty()


@delete("/roi")
async def delete_roi(request: _Request) -> Answer:
    """Empty the ROI of this version."""
    await request.run(_replace, request, codec.decode_runs(b"[]"))
    return empty()


@point_read("/mask/{dims:str}/{size:str}/{offset:str}")
def get_mask(call: Call) -> Answer:
    """Return a byte for each voxel of a box, 1 inside the ROI and 0 outside, x fastest, then y, z.

    Dims is `0_1_2`, size and offset are `x_y_z` in voxels, as in `mask/0_1_2/64_64_64/0_-32_10`. A mask has at most
    2^30 voxels.
    """
    box, instance, version = parse_box(*call.segments[1:4]), call.instance_as(RoiInstance), call.version
    if box is None:
        return binary(b"")
    assert version is not None

    def make() -> Answer:
        region, block_size = instance.region(version), instance.settings.block_size
        few = mask_parts(region, block_size, box)
        if few is not None:
            return at_hand(call, *few)
        return Pieces(mask_pieces(region, block_size, box), call.server.pool, length=box.voxels)

    return Later(make, call.server.pool)


@post("/ptquery", mutates=False)
async def ask_points(request: _Request) -> Answer:
    """Tell for each voxel of the body, `[[x,y,z],...]`, whether it is inside: `[true,false,...]` in the same order."""
    body = await request.read_body(_BODY_BYTES)
    instance, version = request.instance, request.version

    def ask(region: Region) -> Answer:
        inside = points_inside(region, instance.settings.block_size, codec.decode_points(body))
        return binary(codec.encode_answers(inside), _JSON)

    known = instance.region_at_hand(version)
    if known is not None and len(body) <= _FEW_BYTES:
        return ask(known)
    with holding_json(request, body):
        return await request.run(lambda: ask(instance.region(version)))


@get("/partition")
async def get_partition(
    request: _Request, batchsize: FromQuery[str | None] = None, optimized: FromQuery[str | None] = None
) -> Answer:
    """Cut the ROI into subvolumes that are about `batchsize` blocks (needed) along each side.

    All have that size, and empty ones are left out. With `optimized=true` (or `on`) sizes differ by a block so that
    less lies outside the ROI, and cells are cut at holes; what comes before a hole is added to the subvolume before.
    """
    text = batchsize or ""
    if not (text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS and int(text) > 0):
        raise BadRequest("batchsize must be the number of blocks along each side of a subvolume, 1 or more")
    region = await request.run(request.instance.region, request.version)
    block_size = request.instance.settings.block_size
    answer = await request.run(partition, region, block_size, int(text), optimized in ("true", "on"))
    return binary(answer, _JSON)


ROUTES = (get_roi, post_roi, delete_roi, get_mask, ask_points, get_partition)

"""Labels at single voxels."""

from __future__ import annotations

from dvid_labels import kernels

from dvid_framework.api import Answer, Call, FromQuery, Later, binary, get, point_read
from dvid_labelmap.instance import LabelMapInstance
from dvid_labelmap.ops.bounds import parse_scale
from dvid_labelmap.ops.mapping import body_mapping
from dvid_labelmap.ops.points import label_at, labels_at, labels_at_once, parse_point, parse_points
from dvid_labelmap.routes.asked import LabelRequest

__all__ = ["ROUTES"]

_BODY_BYTES = 64 << 20
_FEW_BYTES = 256 << 10


@point_read("/label/{point:str}")
def label(call: Call) -> Answer:
    """Return the label at a voxel x_y_z: `{"Label": 7}`.

    supervoxels=true: as it is stored. scale: the voxel is of that scale.
    """
    query, view = call.query, call.view
    instance = call.instance_as(LabelMapInstance)
    mapping = body_mapping(instance, view, query.get("supervoxels") == "true")
    source = instance.block_source(view, parse_scale(query.get("scale")))
    point = parse_point(call.segments[1])

    def answer() -> Answer:
        return binary(b'{"Label": %d}' % label_at(source, point, mapping), "application/json")

    return answer() if mapping is None or mapping.is_at_hand() else Later(answer, call.server.pool)


@get("/labels")
async def labels(
    request: LabelRequest,
    scale: FromQuery[str | None] = None,
    supervoxels: FromQuery[str | None] = None,
    hash: FromQuery[str | None] = None,  # noqa: A002 - the name in the API
) -> Answer:
    """Return the labels at many voxels: the body of the GET is a JSON list [[x,y,z], ...], the answer [7,0,...].

    At most a million. hash: the MD5 of the body in hexadecimal, to be checked.
    """
    level = parse_scale(scale)
    body = await request.read_body(_BODY_BYTES)
    points = parse_points(body, hash) if len(body) < _FEW_BYTES else await request.run(parse_points, body, hash)
    instance, view = request.instance, request.view
    mapping = body_mapping(instance, view, supervoxels == "true")
    source = instance.block_source(view, level)
    found = labels_at_once(source, points, mapping)
    if found is None:
        found = await request.run(labels_at, source, points, mapping)
    return binary(kernels.json_numbers(found), "application/json")


ROUTES = (label, labels)

"""Labels at single voxels."""

from __future__ import annotations

from typing import cast

from dvid_framework.api import Answer, Call, FromQuery, Later, binary, get, json_answer, point_read
from dvid_labelmap.instance import LabelMapInstance
from dvid_labelmap.ops.bounds import parse_scale
from dvid_labelmap.ops.mapping import body_mapping
from dvid_labelmap.ops.points import BlockSource, label_at, labels_at, parse_point, parse_points
from dvid_labelmap.routes.asked import LabelRequest

__all__ = ["ROUTES"]

_BODY_BYTES = 64 << 20


@point_read("/label/{point:str}")
def label(call: Call) -> Answer:
    """Return the label at a voxel x_y_z: `{"Label": 7}`.

    supervoxels=true: as it is stored. scale: the voxel is of that scale.
    """
    query, view = call.query, call.view
    instance = cast(LabelMapInstance, call.instance)
    mapping = body_mapping(instance, view, query.get("supervoxels") == "true")
    source = BlockSource(view, instance.settings.block_size, parse_scale(query.get("scale")), instance.inflated)
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
    points = parse_points(await request.read_body(_BODY_BYTES), hash)
    instance, view = request.instance, request.view
    mapping = body_mapping(instance, view, supervoxels == "true")
    source = BlockSource(view, instance.settings.block_size, level, instance.inflated)
    return json_answer(await request.run(labels_at, source, points, mapping))


ROUTES = (label, labels)

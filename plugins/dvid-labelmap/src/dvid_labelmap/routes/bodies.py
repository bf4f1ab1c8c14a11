"""What is known of bodies: sizes, supervoxels, lists, last mutations."""

from __future__ import annotations

from typing import cast

import msgspec
from dvid_labels.types import Labels

from dvid_framework.api import (
    Answer,
    Call,
    FromPath,
    FromQuery,
    NotFound,
    Pieces,
    View,
    binary,
    get,
    json_answer,
    point_read,
    text_answer,
)
from dvid_labelmap.instance import LabelMapInstance
from dvid_labelmap.keys import summary_key
from dvid_labelmap.ops.body_index import label_pieces, label_texts, read_summary, supervoxel_sizes
from dvid_labelmap.ops.counters import parse_label
from dvid_labelmap.ops.labels import MOST_ASKED, parse_labels, parse_limit
from dvid_labelmap.ops.sizes import BodySize, body_sizes, sizes_of_supervoxels, supervoxel_size
from dvid_labelmap.routes.asked import LabelRequest

__all__ = ["FEW_BLOCKS", "ROUTES", "extent_of_body", "indexed_view", "labels_of_body"]

_BODY_BYTES = 256 << 20
_JSON = "application/json"
FEW_BLOCKS = 256
"""Up to here an index is read on the event loop."""
_text = msgspec.json.Encoder().encode


def indexed_view(call: Call) -> tuple[LabelMapInstance, View]:
    """Return the instance and its version of a call, once bodies can be asked for."""
    instance = cast(LabelMapInstance, call.instance)
    instance.check_indexed()
    return instance, call.view


async def labels_of_body(request: LabelRequest, most: int = MOST_ASKED) -> Labels:
    """Return the labels that the body of a request lists."""
    body = await request.read_body(_BODY_BYTES)
    return await request.run(parse_labels, body, request.query.get("hash"), most)


async def _volume(request: LabelRequest, text: str) -> BodySize:
    """Return how large a body is; of a supervoxel, which may take longer, in a thread."""
    label, (instance, view) = parse_label(text), indexed_view(request.call)
    if request.flag("supervoxels"):
        return await request.run(supervoxel_size, instance, view, label)
    summary = read_summary(view, label)
    if summary is None:
        raise NotFound("")
    return BodySize(summary.voxels, summary.blocks, summary.low, summary.high)


async def extent_of_body(request: LabelRequest, label: str) -> tuple[BodySize, list[int], list[int]]:
    """Return how large a body is, and the first and the last voxel of its blocks."""
    found, steps = await _volume(request, label), request.instance.settings.block_size
    low = [first * step for first, step in zip(found.low, steps, strict=True)]
    high = [(last + 1) * step - 1 for last, step in zip(found.high, steps, strict=True)]
    return found, low, high


@get("/size/{label:str}")
async def size(request: LabelRequest, label: FromPath[str]) -> Answer:
    """Return the number of voxels of a body, or with supervoxels=true of a supervoxel: `{"voxels": 4}`."""
    return binary(b'{"voxels": %d}' % (await _volume(request, label)).voxels, _JSON)


@get("/sparsevol-size/{label:str}")
async def sparsevol_size(request: LabelRequest, label: FromPath[str]) -> Answer:
    """Return how large a body (supervoxels=true: a supervoxel) is, and its bounding box of whole blocks.

    `{"voxels": 4, "numblocks": 1, "minvoxel": [0, 0, 0], "maxvoxel": [63, 63, 63]}`
    """
    found, low, high = await extent_of_body(request, label)
    text = '{"voxels": %d, "numblocks": %d, "minvoxel": %s, "maxvoxel": %s}'
    return binary((text % (found.voxels, found.blocks, low, high)).encode(), _JSON)


@point_read("/lastmod/{label:str}")
def lastmod(call: Call) -> Answer:
    """Return the last mutation of a body: id, time, user and application; 0 and "" if only voxels were written."""
    label, (_, view) = parse_label(call.segments[1]), indexed_view(call)
    summary = read_summary(view, label)
    if summary is None:
        raise NotFound("")
    user, app = _text(summary.user), _text(summary.app)
    text = b'{"mutation id": %d, "last mod user": %s, "last mod app": %s, "last mod time": "%s" }'
    return binary(text % (summary.mutation_id, user, app, summary.time.encode()), _JSON)


@point_read("/index-version/{label:str}")
def index_version(call: Call) -> Answer:
    """Return the UUID of the nearest version that wrote the index of a body."""
    label, (instance, view) = parse_label(call.segments[1]), indexed_view(call)
    number = view.version_of(summary_key(label))
    if number is None:
        raise NotFound("")
    return text_answer(instance.repo.dag[number].uuid)


async def _supervoxels(request: LabelRequest, text: str) -> tuple[list[int], list[int]]:
    """Return the supervoxels of a body and their sizes; of a large one in a thread."""
    label, (_, view) = parse_label(text), indexed_view(request.call)
    summary = read_summary(view, label)
    if summary is None:
        raise NotFound("")
    if summary.blocks <= FEW_BLOCKS:
        names, sizes = supervoxel_sizes(view, label)
    else:
        names, sizes = await request.run(supervoxel_sizes, view, label)
    return names.tolist(), sizes.tolist()


@get("/supervoxels/{label:str}")
async def supervoxels(request: LabelRequest, label: FromPath[str]) -> Answer:
    """Return the supervoxels of a body: `[7, 9]`."""
    return json_answer((await _supervoxels(request, label))[0])


@get("/supervoxel-sizes/{label:str}")
async def supervoxel_sizes_(request: LabelRequest, label: FromPath[str]) -> Answer:
    """Return the supervoxels of a body and the voxels of each: `{"supervoxels": [7, 9], "sizes": [4, 1]}`."""
    names, sizes = await _supervoxels(request, label)
    return json_answer({"supervoxels": names, "sizes": sizes})


@get("/sizes")
async def sizes(
    request: LabelRequest,
    supervoxels: FromQuery[str | None] = None,
    hash: FromQuery[str | None] = None,  # noqa: A002 - the name in the API
) -> Answer:
    """Return the voxels of many bodies, or with supervoxels=true of supervoxels; 0 for what is none.

    The body of the GET is a JSON list of labels, the answer one of numbers in that order. hash: the MD5 of the body in
    hexadecimal, to be checked.
    """
    del hash
    instance, view = indexed_view(request.call)
    labels = await labels_of_body(request)
    if supervoxels == "true":
        return json_answer((await request.run(sizes_of_supervoxels, instance, view, labels)).tolist())
    return json_answer(await request.run(body_sizes, view, labels))


@get("/listlabels")
async def listlabels(
    request: LabelRequest,
    start: FromQuery[str | None] = None,
    number: FromQuery[str | None] = None,
    sizes: FromQuery[str | None] = None,
) -> Answer:
    """Return the bodies from start on, ascending, uint64 each; with sizes=true pairs of body and voxels.

    number: at most so many, and never more than 10 million.
    """
    _, view = indexed_view(request.call)
    first, count = parse_limit(start, "start", 0), parse_limit(number, "number", MOST_ASKED, MOST_ASKED)
    return Pieces(label_pieces(view, first, count, sizes=sizes == "true"), request.server.pool)


@get("/existing-labels")
async def existing_labels(request: LabelRequest) -> Answer:
    """Return all bodies, ascending: a JSON list."""
    _, view = indexed_view(request.call)
    return Pieces(label_texts(view), request.server.pool, media_type=_JSON)


ROUTES = (
    size,
    sparsevol_size,
    lastmod,
    index_version,
    supervoxels,
    supervoxel_sizes_,
    sizes,
    listlabels,
    existing_labels,
)

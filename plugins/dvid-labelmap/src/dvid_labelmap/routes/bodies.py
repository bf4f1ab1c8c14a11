"""What is known of bodies: sizes, supervoxels, lists, last mutations."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
from dvid_labels import LabelFormatError, kernels
from dvid_labels.types import Buffer, Labels

from dvid_framework.api import (
    Answer,
    Call,
    FromQuery,
    Later,
    NotFound,
    Pieces,
    View,
    binary,
    get,
    holding_json,
    json_answer,
    point_read,
    text_answer,
)
from dvid_labelmap.index_codec import Summary, damaged_index, decode_head, decode_summary, is_whole, stored_bodies
from dvid_labelmap.instance import LabelMapInstance
from dvid_labelmap.keys import summary_key
from dvid_labelmap.ops.body_index import label_pieces, label_texts
from dvid_labelmap.ops.body_records import whole_record
from dvid_labelmap.ops.counters import parse_label
from dvid_labelmap.ops.labels import MOST_ASKED, parse_labels, parse_limit
from dvid_labelmap.ops.sizes import BodySize, body_sizes, sizes_of_supervoxels, supervoxel_size
from dvid_labelmap.routes.asked import LabelRequest

__all__ = [
    "FEW_BLOCKS",
    "ROUTES",
    "box_of",
    "indexed_view",
    "known_body",
    "labels_of_body",
    "of_record",
    "stored_body",
    "volume_answer",
]

_BODY_BYTES = 256 << 20
_FEW_BYTES = 64 << 10
_JSON = "application/json"
_SIZE = b'{"voxels": %d, "numblocks": %d, "minvoxel": [%d, %d, %d], "maxvoxel": [%d, %d, %d]}'
FEW_BLOCKS = 1024
"""Up to here an index is read on the event loop."""
_text = msgspec.json.Encoder().encode


def indexed_view(call: Call) -> tuple[LabelMapInstance, View]:
    """Return the instance and its version of a call, once bodies can be asked for."""
    instance = call.instance_as(LabelMapInstance)
    instance.check_indexed()
    return instance, call.view


async def labels_of_body(request: LabelRequest, most: int = MOST_ASKED) -> Labels:
    """Return the labels that the body of a request lists."""
    body, md5 = await request.read_body(_BODY_BYTES), request.query.get("hash")
    if len(body) < _FEW_BYTES:
        return parse_labels(body, md5, most)
    with holding_json(request, body):
        return await request.run(parse_labels, body, md5, most)


def known_body(view: View, label: int) -> Summary:
    """Return what is known of a body as a whole.

    Raises:
        NotFound: it is none.
    """
    return decode_summary(stored_body(view, label))


def volume_answer(call: Call, show: Callable[[BodySize | Summary], bytes]) -> Answer:
    """Show how large a body is; or a supervoxel, which may take longer, in a thread."""
    label, (instance, view) = parse_label(call.segments[1]), indexed_view(call)
    if call.flag("supervoxels"):
        return Later(lambda: binary(show(supervoxel_size(instance, view, label)), _JSON), call.server.pool)
    return binary(show(decode_head(stored_body(view, label))), _JSON)


@point_read("/size/{label:str}")
def size(call: Call) -> Answer:
    """Return the number of voxels of a body, or with supervoxels=true of a supervoxel: `{"voxels": 4}`."""
    return volume_answer(call, lambda found: b'{"voxels": %d}' % found.voxels)


@point_read("/sparsevol-size/{label:str}")
def sparsevol_size(call: Call) -> Answer:
    """Return how large a body (supervoxels=true: a supervoxel) is, and its bounding box of whole blocks.

    `{"voxels": 4, "numblocks": 1, "minvoxel": [0, 0, 0], "maxvoxel": [63, 63, 63]}`
    """
    return volume_answer(call, lambda found: _SIZE % (found.voxels, found.blocks, *box_of(call, found)))


def box_of(call: Call, found: BodySize | Summary) -> tuple[int, int, int, int, int, int]:
    """Return the first and the last voxel (x, y, z each) of the blocks of a body."""
    width, height, depth = call.instance_as(LabelMapInstance).settings.block_size
    (x0, y0, z0), (x1, y1, z1) = found.low, found.high
    first = x0 * width, y0 * height, z0 * depth
    return *first, (x1 + 1) * width - 1, (y1 + 1) * height - 1, (z1 + 1) * depth - 1


@point_read("/lastmod/{label:str}")
def lastmod(call: Call) -> Answer:
    """Return the last mutation of a body: id, time, user and application; 0 and "" if only voxels were written."""
    label, (_, view) = parse_label(call.segments[1]), indexed_view(call)
    summary = known_body(view, label)
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


def stored_body(view: View, label: int) -> Buffer:
    """Return what is stored of a body.

    Raises:
        NotFound: it is none.
    """
    value = view.get(summary_key(label))
    if value is None:
        raise NotFound("")
    return value


def of_record(call: Call, make: Callable[[int, Buffer], Answer]) -> Answer:
    """Answer by the whole record of a body: of a large body in a thread.

    Args:
        call: the call, with the body as its second segment.
        make: makes the answer of the body and its record.
    """
    label, (_, view) = parse_label(call.segments[1]), indexed_view(call)
    value = stored_body(view, label)

    def answer() -> Answer:
        with stored_bodies(), call.throttled():
            return make(label, whole_record(view, label, value))

    if "throttle" in call.query or (not is_whole(value) and decode_summary(value).blocks > FEW_BLOCKS):
        return Later(answer, call.server.pool)
    try:  # as `answer`, with nothing that takes time
        return make(label, whole_record(view, label, value))
    except LabelFormatError as error:
        raise damaged_index(error) from error


@point_read("/supervoxels/{label:str}")
def supervoxels(call: Call) -> Answer:
    """Return the supervoxels of a body: `[7, 9]`."""
    return of_record(call, lambda _, record: json_answer(kernels.record_supervoxel_sizes(record)[0]))


@point_read("/supervoxel-sizes/{label:str}")
def supervoxel_sizes_(call: Call) -> Answer:
    """Return the supervoxels of a body and the voxels of each: `{"supervoxels": [7, 9], "sizes": [4, 1]}`."""

    def make(_: int, record: Buffer) -> Answer:
        names, sizes = kernels.record_supervoxel_sizes(record)
        return json_answer({"supervoxels": names, "sizes": sizes})

    return of_record(call, make)


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
    return binary(kernels.json_numbers(await request.run(body_sizes, view, labels)), _JSON)


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

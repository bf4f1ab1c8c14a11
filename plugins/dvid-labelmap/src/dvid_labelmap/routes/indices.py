"""Label indices as protobuf messages."""

from __future__ import annotations

from dvid_labels import kernels
from dvid_labels.label_indices import LabelIndices

from dvid_framework.api import (
    Answer,
    BadRequest,
    Call,
    FromPath,
    NotFound,
    Pieces,
    binary,
    empty,
    get,
    json_answer,
    point_read,
    post,
)
from dvid_labelmap.ops.bounds import bad_input
from dvid_labelmap.ops.counters import parse_label
from dvid_labelmap.ops.index_messages import BATCH_LABELS, index_piece, index_pieces, store_indices
from dvid_labelmap.ops.labels import parse_limit
from dvid_labelmap.routes.asked import LabelRequest
from dvid_labelmap.routes.bodies import indexed_view, known_body, labels_of_body, of_record

__all__ = ["ROUTES"]

_MOST_INDICES = 50_000
_MOST_POSTED = 1 << 20


@point_read("/index/{label:str}")
def index(call: Call) -> Answer:
    """Return the index of a body: a LabelIndex message, which supervoxels are in which blocks with how many voxels.

    metadata-only=true: JSON of its size and last mutation. mutid: the index before a mutation, which is not kept: 404.
    """
    query = call.query
    if "mutid" in query:
        parse_limit(query["mutid"], "mutid", 0)
        raise NotFound("")
    if query.get("metadata-only") == "true":
        (_, view), body = indexed_view(call), parse_label(call.segments[1])
        summary = known_body(view, body)
        names = ("num_voxels", "last_mutid", "last_mod_time", "last_mod_user", "last_mod_app")
        values = (summary.voxels, summary.mutation_id, summary.time, summary.user, summary.app)
        return json_answer(dict(zip(names, values, strict=True)))
    return of_record(call, lambda body, record: binary(kernels.record_message(body, record)))


@get("/indices")
async def indices(request: LabelRequest) -> Answer:
    """Return the indices of bodies, at most 50,000: the body of the GET is a JSON list of labels.

    The answer is a LabelIndices message in that order; what is no body has only its label.
    """
    return await _indices(request, compressed=False)


@get("/indices-compressed")
async def indices_compressed(request: LabelRequest) -> Answer:
    """Return the indices of bodies, at most 50,000, each compressed by LZ4; as for indices.

    For each label: uint64 number of bytes n (0 for what is no body), uint64 label, n bytes.
    """
    return await _indices(request, compressed=True)


async def _indices(request: LabelRequest, *, compressed: bool) -> Answer:
    _, view = indexed_view(request.call)
    labels = await labels_of_body(request, _MOST_INDICES)
    if len(labels) > BATCH_LABELS:
        return Pieces(index_pieces(view, labels, compressed=compressed), request.server.pool)
    return binary(await request.run(index_piece, view, labels, compressed=compressed))


async def _store(request: LabelRequest, found: LabelIndices) -> Answer:
    instance, version = request.instance, request.version

    def run() -> None:
        with request.begin() as txn:
            store_indices(instance, version, txn, found)

    if len(found):
        async with instance.queue(instance.number_of(version)):
            await request.run(run)
    return empty()


def _one(body: bytes) -> LabelIndices:
    with bad_input():
        return kernels.read_indices([body])


def _many(body: bytes) -> LabelIndices:
    with bad_input():
        return kernels.decode_indices(body, _MOST_POSTED)


@post("/index/{label:str}")
async def post_index(request: LabelRequest, label: FromPath[str]) -> Answer:
    """Store the index of a body as it is: a LabelIndex message; one without blocks deletes it. For loaders."""
    body = parse_label(label)
    with request.throttled():
        found = await request.run(_one, await request.read_body())
        if found.labels.tolist() != [body]:
            raise BadRequest(f"the index is of label {found.labels[0]}, not of {body}")
        return await _store(request, found)


@post("/indices")
async def post_indices(request: LabelRequest) -> Answer:
    """Store the indices of bodies as they are: a LabelIndices message; all are stored, or after an error none."""
    with request.throttled():
        return await _store(request, await request.run(_many, await request.read_body()))


ROUTES = (index, indices, indices_compressed, post_index, post_indices)

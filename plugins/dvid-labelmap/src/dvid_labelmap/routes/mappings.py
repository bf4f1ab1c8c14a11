"""What supervoxels are mapped to, and merges of bodies."""

from __future__ import annotations

import time

from dvid_framework.api import Answer, BadRequest, FromQuery, Pieces, empty, get, json_answer, post
from dvid_labelmap.ops.index_changes import Stamp
from dvid_labelmap.ops.mapping_posts import decode_mappings, mapping_pieces, post_mappings
from dvid_labelmap.ops.mapping_stats import mapping_stats
from dvid_labelmap.ops.merging import merge_bodies, parse_merge
from dvid_labelmap.ops.sizes import mapped
from dvid_labelmap.routes.asked import LabelRequest
from dvid_labelmap.routes.bodies import indexed_view, labels_of_body

__all__ = ["ROUTES"]


@get("/mapping")
async def mapping(
    request: LabelRequest,
    nolookup: FromQuery[str | None] = None,
    hash: FromQuery[str | None] = None,  # noqa: A002 - the name in the API
) -> Answer:
    """Return the body of each supervoxel: the body of the GET is a JSON list of labels, the answer one in that order.

    0 for a label that does not exist; nolookup=true: all are taken as existing. hash: the MD5 of the body in
    hexadecimal, to be checked.
    """
    del hash
    instance, view = indexed_view(request.call)
    labels = await labels_of_body(request)
    return json_answer((await request.run(mapped, instance, view, labels, lookup=nolookup != "true")).tolist())


@get("/mappings")
async def mappings(request: LabelRequest, format: FromQuery[str | None] = None) -> Answer:  # noqa: A002 - as in the API
    """Return all that is mapped to something else: lines `from to`, or with format=binary pairs of uint64."""
    instance, view = indexed_view(request.call)
    is_binary = format == "binary"
    pieces = mapping_pieces(instance, view, is_binary=is_binary)
    with request.throttled():
        return Pieces(pieces, request.server.pool, media_type="application/octet-stream" if is_binary else "text/plain")


@post("/mappings")
async def new_mappings(request: LabelRequest) -> Answer:
    """Map supervoxels to bodies: a MappingOps message (protobuf), later entries override earlier ones.

    Whether they exist is not checked, and indices of bodies stay: this is for loaders that post indices as well.
    """
    instance, version = request.instance, request.version
    with request.throttled():
        body = await request.read_body()
        source, target = await request.run(decode_mappings, body)
        del body

        def run() -> None:
            with request.begin() as txn:
                post_mappings(instance, version, txn, source, target)

        async with instance.queue(instance.number_of(version)):
            await request.run(run)
    return empty()


@get("/map-stats")
async def map_stats(request: LabelRequest) -> Answer:
    """Return how many mappings each labelmap of the server has, and their size in memory."""
    return json_answer(await request.run(mapping_stats, request.instance, request.server.repos))


@get("/supervoxel-splits")
async def supervoxel_splits(request: LabelRequest) -> Answer:
    """Return the splits of supervoxels at this version and its ancestors; there are none yet."""
    indexed_view(request.call)
    return json_answer([])


@post("/merge")
async def merge(request: LabelRequest) -> Answer:
    """Merge bodies into the first one, which keeps its label: a JSON list [target, label, ...]."""
    instance, version = request.instance, request.version
    if not instance.settings.indexed_labels:
        raise BadRequest("this instance was made with IndexedLabels=false and has no bodies")
    target, merged = parse_merge(await labels_of_body(request))
    call, numbers = request.call, []

    def run() -> None:
        stamp = Stamp(0, time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), call.user, call.app)
        with request.begin(durable=False) as txn:
            merge_bodies(instance, version, txn, target, merged, stamp)
            numbers.append(txn.mutation_id)
        instance.log.make_durable(txn.number)  # for several merges at once, and while others go on

    await request.run(run)
    return json_answer({"MutationID": numbers[0]})


ROUTES = (mapping, mappings, new_mappings, map_stats, supervoxel_splits, merge)

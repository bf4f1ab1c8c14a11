"""What supervoxels are mapped to, and what they were split into."""

from __future__ import annotations

from dvid_labels import kernels

from dvid_framework.api import Answer, FromQuery, Pieces, binary, empty, get, json_answer, post
from dvid_labelmap.ops.mapping_posts import decode_mappings, mapping_pieces, post_mappings
from dvid_labelmap.ops.mapping_stats import mapping_stats
from dvid_labelmap.ops.sizes import mapped
from dvid_labelmap.ops.split_log import supervoxel_splits
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
    found = await request.run(mapped, instance, view, labels, lookup=nolookup != "true")
    return binary(kernels.json_numbers(found), "application/json")


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
async def supervoxel_splits_(request: LabelRequest) -> Answer:
    """Return the splits of supervoxels at this version and its ancestors, from this version to the root.

    `["<uuid>", [[mutation id, old, remain, split], ...], "<uuid of an ancestor>", [...], ...]`; versions without splits
    are left out, and splits that were undone.
    """
    instance, view = indexed_view(request.call)
    return json_answer(await request.run(supervoxel_splits, instance, view))


ROUTES = (mapping, mappings, new_mappings, map_stats, supervoxel_splits_)

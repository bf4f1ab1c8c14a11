"""The HTTP addresses below an instance."""

from __future__ import annotations

import hashlib

from dvid_framework.api import (
    Answer,
    BadRequest,
    Call,
    FromPath,
    FromQuery,
    InstanceRequest,
    Later,
    NotFound,
    Pieces,
    binary,
    delete,
    empty,
    get,
    holding_json,
    holding_memory,
    in_pieces,
    json_answer,
    point_read,
    post,
)
from dvid_tarsupervoxels import ops
from dvid_tarsupervoxels.instance import TarInstance
from dvid_tarsupervoxels.keys import parse_label

__all__ = ["ROUTES"]

_TAR = "application/tar"
_LIST_BYTES = 64 << 20
_AT_ONCE_BYTES = 1 << 16
_Request = InstanceRequest[TarInstance]


@point_read("/supervoxel/{supervoxel:str}")
def get_supervoxel(call: Call) -> Answer:
    """Return the data of a supervoxel as it was stored, or 404."""
    supervoxel = parse_label(call.segments[1], "supervoxel")
    extension, view = call.instance_as(TarInstance).extension, call.view
    (size,) = ops.sizes_of(view, [supervoxel], extension)
    if size is None:
        raise NotFound(f"Supervoxel {supervoxel} not found")

    def read() -> Answer:
        return binary(ops.read_file(view, supervoxel, extension) or b"")

    return read() if size <= _AT_ONCE_BYTES else Later(read, call.server.pool)


@post("/supervoxel/{supervoxel:str}")
async def post_supervoxel(request: _Request, supervoxel: FromPath[str]) -> Answer:
    """Set the data of a supervoxel to the bytes of the body, for all versions."""
    number = parse_label(supervoxel, "supervoxel")
    body, extension = await request.read_body(), request.instance.extension

    def write() -> None:
        with request.begin() as txn:
            ops.put_file(txn, number, extension, body)
            txn.emit("post", Supervoxel=number, Bytes=len(body))

    await request.run(write)
    return empty()


@delete("/supervoxel/{supervoxel:str}")
async def delete_supervoxel(request: _Request, supervoxel: FromPath[str]) -> Answer:
    """Take the data of a supervoxel away, for all versions; it is no error if there is none."""
    number, extension = parse_label(supervoxel, "supervoxel"), request.instance.extension

    def write() -> None:
        with request.begin() as txn:
            ops.delete_file(txn, number, extension)

    await request.run(write)
    return empty()


@get("/exists", also=())
async def get_exists(request: _Request, hash: FromQuery[str | None] = None) -> Answer:  # noqa: A002 - the wire's name
    """Tell for each supervoxel of the body, a JSON list of numbers, whether it has data: `[true,false,...]`.

    `hash` is the MD5 of the body, 32 hexadecimal digits: a body with another one is refused.
    """
    body = await request.read_body(_LIST_BYTES)
    wanted = hash

    def look() -> list[bool]:
        if wanted and hashlib.md5(body, usedforsecurity=False).hexdigest() != wanted:
            raise BadRequest("the body does not have the MD5 that is given as hash")
        sizes = ops.sizes_of(request.view, ops.decode_supervoxels(body), request.instance.extension)
        return [size is not None for size in sizes]

    with holding_json(request, body):
        return json_answer(await request.run(look))


@post("/load")
async def load(request: _Request) -> Answer:
    """Set the data of the supervoxels that have a file in the body, a tar that is not compressed: all or none.

    Files are named `<supervoxel>.<extension>`. What has more than `limits.mutation_bytes` is sent in parts.
    """
    body = await request.read_body()

    def write() -> None:
        with request.begin() as txn:
            ops.load_archive(txn, body, request.instance.extension)

    with holding_memory(request, 2 * len(body)):
        await request.run(write)
    return empty()


@get("/tarfile/{label:str}")
async def get_tarfile(request: _Request, label: FromPath[str]) -> Answer:
    """Return a tar with a file for each supervoxel that a body has at this version, in order of their numbers.

    A file is named `<supervoxel>.<extension>`; a supervoxel without data has an empty file `<supervoxel>.missing`. HEAD
    answers 200 if all have data, and else 400.
    """
    body, instance, view = parse_label(label, "body"), request.instance, request.view
    supervoxels = await request.run(instance.supervoxels_of, request.version, body)
    sizes = await request.run(ops.sizes_of, view, supervoxels, instance.extension)
    length = ops.tar_bytes(sizes)
    if request.call.method == "HEAD":
        if None in sizes:
            raise BadRequest(f"{sizes.count(None)} of the {len(sizes)} supervoxels of body {body} have no data")
        return binary(b"", _TAR)
    pieces = in_pieces(ops.tar_parts(view, supervoxels, sizes, instance.extension))
    return Pieces(pieces, request.server.pool, media_type=_TAR, length=length)


@get("/missing/{label:str}", also=("HEAD", "POST"))
async def get_missing(request: _Request, label: FromPath[str]) -> Answer:
    """Return the supervoxels of a body at this version that have no data, as a JSON list."""
    body, instance, view = parse_label(label, "body"), request.instance, request.view

    def look() -> list[int]:
        supervoxels = instance.supervoxels_of(request.version, body)
        sizes = ops.sizes_of(view, supervoxels, instance.extension)
        return [one for one, size in zip(supervoxels, sizes, strict=True) if size is None]

    return json_answer(await request.run(look))


ROUTES = (
    get_supervoxel,
    post_supervoxel,
    delete_supervoxel,
    get_exists,
    load,
    get_tarfile,
    get_missing,
)

"""The addresses below a volume of several channels."""

from __future__ import annotations

from typing import Any

from dvid_voxels.images import parse_format

from dvid_framework.api import (
    Answer,
    BadRequest,
    FromPath,
    FromQuery,
    InstanceRequest,
    binary,
    empty,
    get,
    holding_memory,
    post,
    streamed,
)
from dvid_imageblk.multichan import MultichanInstance
from dvid_imageblk.ops.bounds import bad_input
from dvid_imageblk.ops.slices import checked_slice, image_slice
from dvid_imageblk.ops.stacks import store_stack
from dvid_imageblk.ops.volumes import WHOLE_BYTES, checked_box
from dvid_imageblk.routes import description
from dvid_imageblk.routes.asked import NOT_DURABLE, shape_of
from dvid_imageblk.v3d import read_v3d

__all__ = ["ROUTES"]

_Request = InstanceRequest[MultichanInstance]
_DIMS = ("xy", "xz", "yz", "0_1", "0_2", "1_2", "0_1_2", "vol")
_COPIES = 4


def _channel(request: _Request) -> int:
    text = request.query.get("channel") or "0"
    if not (text.isascii() and text.isdigit() and len(text) <= 3):
        raise BadRequest(f"the channel {text[:20]!r} is no number")
    return int(text)


async def _answer(request: _Request, dims: str, size: str, offset: str, image: str) -> Answer:
    with bad_input():
        image_format = parse_format(image)
    shape = shape_of(dims, size, offset)
    read = request.instance.channel(request.view, _channel(request))
    if shape.dims.is_plane:
        checked_slice(shape, read)
        with holding_memory(request, _COPIES * read.voxels.bytes * shape.box.voxels):
            return binary(*await request.run(image_slice, read, shape, image_format))
    checked_box(shape.box, read.block_size, read.voxels.bytes)
    count = read.voxels.bytes * shape.box.voxels
    if count > WHOLE_BYTES:
        return streamed(request, read.pieces(shape.box), read.slab_bytes(shape.box), count)
    return binary((await request.run(read.read, shape.box)).data.cast("B"))


def _reads(dims: str) -> tuple[Any, Any]:
    """Make the two routes of a plane or of volumes, which stand first in the address."""

    @get(f"/{dims}/{{size:str}}/{{offset:str}}", also=())
    async def read(
        request: _Request, size: FromPath[str], offset: FromPath[str], channel: FromQuery[str | None] = None
    ) -> Answer:
        """Return a slice of a channel as PNG, or a box of it as voxels of axis order Z, Y, X.

        size has two numbers for a slice and three for a box, offset the first voxel; channel is 0 if none is given.
        """
        del channel
        return await _answer(request, dims, size, offset, "")

    @get(f"/{dims}/{{size:str}}/{{offset:str}}/{{image:str}}", also=())
    async def read_format(
        request: _Request, size: FromPath[str], offset: FromPath[str], image: FromPath[str]
    ) -> Answer:
        """Return a slice of a channel in an image format: png, jpg, jpg:80 (quality), tif or bmp."""
        return await _answer(request, dims, size, offset, image)

    return read, read_format


@post("/load")
async def load(request: _Request) -> Answer:
    """Write a stack in the raw format of V3D (Vaa3D), all its channels, from voxel (0, 0, 0) on.

    The first stack tells how many channels there are, and whether they have 8 or 16 bits; later ones must be alike. All
    is written, or after an error nothing.
    """
    body = await request.read_body()
    instance, version = request.instance, request.version

    def run() -> None:
        stack = read_v3d(body)
        with request.begin(durable=False) as txn:
            store_stack(instance, version, txn, stack)

    with holding_memory(request, 2 * len(body)):
        async with instance.queue(instance.number_of(version)):
            await request.run(run)
    return empty(200, NOT_DURABLE)


_SHARED = tuple(route for route in description.ROUTES if route not in (description.post_info, description.rawkey))
ROUTES: tuple[Any, ...] = (*_SHARED, *(route for dims in _DIMS for route in _reads(dims)), load)

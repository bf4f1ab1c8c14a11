"""What the parameters of a read mean, and writes in turn."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import cast

from dvid_voxels.shapes import Shape, parse_shape

from dvid_framework.api import BadRequest, BlockMask, Call, InstanceRequest
from dvid_imageblk.instance import ImageInstance
from dvid_imageblk.ops.bounds import bad_input
from dvid_imageblk.ops.ingest import BlockWrite, store_blocks
from dvid_imageblk.ops.mask import inside_of
from dvid_imageblk.ops.volumes import VolumeRead

__all__ = ["NOT_DURABLE", "ImageRequest", "instance_of", "shape_of", "volume_read", "write_in_turn"]

ImageRequest = InstanceRequest[ImageInstance]
NOT_DURABLE = {"DVID-Durable": "false"}
"""Header of answers to writes of voxels, which survive a power loss only after a second."""


def shape_of(dims: str, size: str, offset: str) -> Shape:
    """Parse what a path asks for.

    Raises:
        BadRequest: it can't be parsed, or is nothing.
    """
    with bad_input():
        return parse_shape(dims, size, offset)


def instance_of(call: Call) -> ImageInstance:
    """Return the instance of a point read."""
    return call.instance_as(ImageInstance)


def _scale(instance: ImageInstance, text: str) -> int:
    """Return the scale that is asked for; instances without lower ones take no notice, as the original."""
    most = instance.settings.max_downres_level
    if not most or not text:
        return 0
    if not (text.isascii() and text.isdigit() and len(text) <= 3 and int(text) <= most):
        raise BadRequest(f"the scale {text[:20]!r} is no integer from 0 to {most}")
    return int(text)


def volume_read(request: ImageRequest | Call) -> VolumeRead:
    """Return how the voxels that a request asks for are read, by its parameters scale, roi and attenuation.

    Raises:
        BadRequest: there is no such scale or region of interest, or the attenuation is not 1 to 7.
    """
    instance, query = cast(ImageInstance, request.instance), request.query
    read = instance.reading(request.view, _scale(instance, query.get("scale", "")))
    roi = query.get("roi")
    if not roi:
        return read
    if read.scale:
        raise BadRequest("roi= can't be used at lower resolutions")
    assert request.version is not None
    region = instance.instances.provider(instance.repo, roi, BlockMask)  # type: ignore[type-abstract]  # a protocol
    inside = partial(inside_of, region, request.version, block_size=read.block_size)
    return replace(read, inside=inside, attenuation=_attenuation(instance, query.get("attenuation")))


def _attenuation(instance: ImageInstance, text: str | None) -> int:
    if not text:
        return 0
    if text not in {str(bits) for bits in range(1, 8)}:
        raise BadRequest(f"the attenuation {text[:20]!r} is no integer from 1 to 7")
    if instance.voxels.data_type != "uint8":
        raise BadRequest("only voxels whose values are bytes can be attenuated")
    return int(text)


async def write_in_turn(request: ImageRequest, write: BlockWrite) -> None:
    """Store blocks when it is this request's turn at the version.

    The transaction begins and ends in the thread: it may wait for a commit of the version, as the loop must not.
    """
    instance, version = request.instance, request.version

    def run() -> None:
        with request.begin(durable=False) as txn:
            store_blocks(instance, version, txn, write)

    async with instance.queue(instance.number_of(version)):
        await request.run(run)

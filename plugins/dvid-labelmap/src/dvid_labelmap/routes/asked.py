"""What the parameters of a read mean, and writes in turn."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from dvid_voxels.shapes import Shape, parse_shape

from dvid_framework.api import BadRequest, BlockMask, InstanceRequest, holding_memory
from dvid_labelmap.instance import LabelMapInstance
from dvid_labelmap.ops.bounds import bad_input, parse_scale
from dvid_labelmap.ops.grouped_writes import VoxelWrite, store_together
from dvid_labelmap.ops.ingest import BlockWrite
from dvid_labelmap.ops.mapping import body_mapping
from dvid_labelmap.ops.mask import inside_of
from dvid_labelmap.ops.volumes import VolumeRead

__all__ = ["NOT_DURABLE", "LabelRequest", "shape_of", "volume_read", "write_in_turn", "write_voxels"]

LabelRequest = InstanceRequest[LabelMapInstance]
NOT_DURABLE = {"DVID-Durable": "false"}
"""Header of answers to writes of voxels, which survive a power loss only after a second."""


def shape_of(dims: str, size: str, offset: str) -> Shape:
    """Parse what a path asks for.

    Raises:
        BadRequest: it can't be parsed, or is nothing.
    """
    with bad_input():
        return parse_shape(dims, size, offset)


def volume_read(
    request: LabelRequest, scale: str | None, supervoxels: str | None = None, roi: str | None = None
) -> VolumeRead:
    """Return how the voxels that a request asks for are read.

    Raises:
        BadRequest: the scale is no scale, or there is no such region of interest, or both are given.
    """
    instance, view, level = request.instance, request.view, parse_scale(scale)
    mapping = body_mapping(instance, view, supervoxels == "true")
    size = instance.settings.block_size
    if not roi:
        return VolumeRead(view, level, size, mapping)
    if level:
        raise BadRequest("roi= can't be used at lower resolutions")
    region = instance.instances.provider(instance.repo, roi, BlockMask)  # type: ignore[type-abstract]  # a protocol
    return VolumeRead(view, level, size, mapping, partial(inside_of, region, request.version, block_size=size))


async def write_in_turn(
    request: LabelRequest, write: BlockWrite, store: Callable[..., None], **options: object
) -> None:
    """Store blocks when it is this request's turn at the version.

    The transaction begins and ends in the thread: it may wait for a commit of the version, as the loop must not.

    Args:
        request: the request.
        write: the blocks.
        store: stores them.
        options: what it takes besides.
    """
    instance, version = request.instance, request.version

    def run() -> None:
        with request.begin(durable=False) as txn:
            store(instance, version, txn, write, **options)

    instance.repo.mutation_ids.prepare()  # proofreading will take some
    async with instance.queue(instance.number_of(version)):
        await request.run(run)


async def write_voxels(request: LabelRequest, write: BlockWrite, *, downres: bool, indexing: bool = True) -> None:
    """Store blocks of scale 0 with all that follows from them, together with others that wait for the same turn.

    Args:
        request: the request.
        write: the blocks.
        downres: whether to make the lower resolutions.
        indexing: whether the indices of bodies follow.
    """
    instance, version = request.instance, request.version
    gathering = instance.gathering(instance.number_of(version))
    begin = partial(request.begin, False)
    with holding_memory(request, sum(map(len, write.payloads))):
        await gathering.store(
            VoxelWrite(begin, write, downres, indexing),
            lambda group: request.run(store_together, instance, version, group),
        )

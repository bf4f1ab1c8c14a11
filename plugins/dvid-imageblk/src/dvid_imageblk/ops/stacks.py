"""Stacks of several channels, written from their first voxel on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
from dvid_voxels import kernels
from dvid_voxels.extents import Extents
from dvid_voxels.geometry import Box, Triple
from dvid_voxels.tiling import block_coordinates
from numpy.typing import NDArray

from dvid_framework.api import BadRequest, Txn, VersionRecord
from dvid_imageblk.keys import CHANNELS
from dvid_imageblk.model import Channels
from dvid_imageblk.ops.bounds import THREADS, bad_input
from dvid_imageblk.ops.extents import grow_extents
from dvid_imageblk.ops.ingest import put_blocks

if TYPE_CHECKING:
    from dvid_imageblk.multichan import MultichanInstance

__all__ = ["store_stack"]


def store_stack(instance: MultichanInstance, version: VersionRecord, txn: Txn, stack: NDArray[Any]) -> None:
    """Store a stack at voxel (0, 0, 0), and commit; blocks that it fills in part get the background.

    Args:
        instance: the instance.
        version: the version.
        txn: a transaction of both.
        stack: uint8 or uint16 (channel, z, y, x).

    Raises:
        BadRequest: the stacks before it were of another type or number of channels, or blocks of this size can't be
            stored so.
        TooLarge: it is more than one mutation may have.
    """
    block_size, form, number = instance.settings.block_size, instance.form, instance.number_of(version)
    channels = Channels(len(stack), stack.dtype.newbyteorder("=").name)
    with instance.lock, instance.turn(number):
        known = instance.known_channels()
        if known.count and known != channels:
            raise BadRequest(
                f"{instance.name!r} has {known.count} channels of {known.data_type}, "
                f"and the stack has {channels.count} of {channels.data_type}"
            )
        txn.put(CHANNELS, msgspec.msgpack.encode(channels))
        for channel, voxels in enumerate(stack):
            volume = _padded(voxels, block_size, instance.settings.background)
            with bad_input():
                payloads = kernels.encode_blocks(volume, block_size, form.codec, form.level, THREADS)
            depth, height, width = volume.shape
            coordinates = block_coordinates(Box((0, 0, 0), (width, height, depth)), block_size)
            put_blocks(txn, channel, coordinates, payloads)
        depth, height, width = stack.shape[1:]
        box = Box((0, 0, 0), (width, height, depth))
        grow_extents(instance, number, txn, Extents.of(box))
        txn.mark_internal()
        txn.emit("load", Channels=len(stack), MaxPoint=list(box.last))
        txn.commit()


def _padded(voxels: NDArray[Any], block_size: Triple, background: int) -> NDArray[Any]:
    """Return a volume of whole blocks that begins with the voxels (z, y, x)."""
    shape = tuple(-(-size // side) * side for size, side in zip(voxels.shape, reversed(block_size), strict=True))
    if shape == voxels.shape:
        return voxels
    unset = np.full(voxels.itemsize, background, np.uint8).view(voxels.dtype)[0]
    volume: NDArray[Any] = np.full(shape, unset, voxels.dtype)
    volume[tuple(slice(size) for size in voxels.shape)] = voxels
    return volume

"""Writing blocks: checked whole, then stored with lower resolutions and extents as one unit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from dvid_voxels import kernels
from dvid_voxels.block_codec import Buffer
from dvid_voxels.extents import Extents
from dvid_voxels.geometry import Box, Triple
from dvid_voxels.tiling import block_coordinates
from numpy.typing import NDArray

from dvid_framework.api import NONE, BadRequest, Txn, VersionRecord
from dvid_imageblk.codec import StoredForm
from dvid_imageblk.keys import block_key
from dvid_imageblk.model import VoxelType
from dvid_imageblk.ops.bounds import MOST_BLOCKS, THREADS, bad_input
from dvid_imageblk.ops.downsample import lower_scales
from dvid_imageblk.ops.extents import grow_extents

if TYPE_CHECKING:
    from dvid_imageblk.instance import ImageInstance

__all__ = [
    "BlockWrite",
    "blocks_of_pieces",
    "blocks_of_row",
    "check_span",
    "check_target",
    "put_blocks",
    "store_blocks",
]


@dataclass(frozen=True, slots=True)
class BlockWrite:
    """Blocks of scale 0, checked and ready to be stored.

    Attributes:
        coordinates: block coordinates, int64 (n, 3) as x, y, z, each once.
        payloads: what is stored of each.
        extents: the voxels that the request names.
    """

    coordinates: NDArray[np.int64]
    payloads: Sequence[Buffer]
    extents: Extents


def check_target(box: Box, block_size: Triple) -> None:
    """Check that a box can be written: whole blocks.

    Raises:
        BadRequest: it is not of whole blocks, or of too many.
    """
    if not box.is_aligned(block_size):
        raise BadRequest(f"size and offset must be multiples of the block size {block_size}")
    if box.blocks(block_size).voxels > MOST_BLOCKS:
        raise BadRequest(f"at most {MOST_BLOCKS} blocks can be written at once")


def blocks_of_pieces(
    pieces: Sequence[Buffer],
    box: Box,
    block_size: Triple,
    voxels: VoxelType,
    form: StoredForm,
    inside: NDArray[np.bool_] | None = None,
) -> BlockWrite:
    """Encode a volume of whole blocks as it came: in pieces, which are not put together.

    Args:
        pieces: its bytes, one behind the other.
        box: where it is.
        block_size: voxels of a block (x, y, z).
        voxels: what a voxel holds.
        form: how blocks are stored.
        inside: bool (z, y, x) of the blocks, those to write; all without it.

    Raises:
        BadRequest: there are not as many bytes as the box has, or blocks of this size can't be stored so.
    """
    found, expected = sum(map(len, pieces)), box.voxels * voxels.bytes
    if found != expected:
        raise BadRequest(f"{box.size} voxels are {expected} bytes, but the body has {found}")
    coordinates = block_coordinates(box, block_size)
    chosen = None if inside is None else np.flatnonzero(inside.ravel())
    numbers = None if chosen is None else chosen.tolist()
    with bad_input():
        payloads = kernels.encode_pieces(
            pieces, box.size, block_size, voxels.bytes, form.codec, form.level, THREADS, numbers
        )
    return BlockWrite(coordinates if chosen is None else coordinates[chosen], payloads, Extents.of(box))


def check_span(first: Triple, span: int, block_size: Triple, voxel_bytes: int) -> int:
    """Check that a row of blocks can be written; return its bytes.

    Raises:
        BadRequest: there are none or too many, or the row leaves 32-bit coordinates.
    """
    if not 0 < span <= MOST_BLOCKS:
        raise BadRequest(f"1 to {MOST_BLOCKS} blocks can be written at once")
    _row_box(first, span, block_size)
    x, y, z = block_size
    return span * x * y * z * voxel_bytes


def _row_box(first: Triple, span: int, block_size: Triple) -> Box:
    x, y, z = block_size
    with bad_input():
        return Box((first[0] * x, first[1] * y, first[2] * z), (span * x, y, z))


def blocks_of_row(
    body: Buffer, first: Triple, span: int, block_size: Triple, voxels: VoxelType, form: StoredForm
) -> BlockWrite:
    """Encode a row of blocks along x, each block by itself (z, y, x); what follows them is left out.

    Raises:
        BadRequest: the body is too short, or the row leaves 32-bit coordinates.
    """
    x, y, z = block_size
    size, found = span * x * y * z * voxels.bytes, memoryview(body).nbytes
    if found < size:
        raise BadRequest(f"{span} blocks are {size} bytes, but the body has {found}")
    box = _row_box(first, span, block_size)
    # One above the other, the blocks are a volume of one block's width and height.
    tower = Box((0, 0, 0), (x, y, z * span))
    write = blocks_of_pieces([memoryview(body)[:size]], tower, block_size, voxels, form)
    coordinates = block_coordinates(box, block_size)
    return BlockWrite(coordinates, write.payloads, Extents.of(box))


def store_blocks(instance: ImageInstance, version: VersionRecord, txn: Txn, write: BlockWrite) -> None:
    """Store blocks with all that follows from them, and commit.

    Args:
        instance: the instance.
        version: the version.
        txn: a transaction of both.
        write: the blocks.

    Raises:
        TooLarge: they are more than one mutation may have.
        CorruptValue: a stored block that a lower resolution needs is damaged.
    """
    number, levels = instance.number_of(version), instance.settings.max_downres_level
    with instance.turn(number):
        put_blocks(txn, 0, write.coordinates, write.payloads)
        if levels and len(write.coordinates):
            with instance.view(version) as view:
                for scale, low, payloads in lower_scales(
                    instance.stored(view), write.coordinates, write.payloads, levels
                ):
                    put_blocks(txn, scale, low, payloads)
        grow_extents(instance, number, txn, write.extents)
        txn.mark_internal()  # the original logs no such writes; followers still see them
        txn.emit("blocks", Scale=0, Blocks=write.coordinates.astype("<i4").tobytes())
        txn.commit()


def put_blocks(txn: Txn, scale: int, coordinates: NDArray[np.int64], payloads: Sequence[Buffer]) -> None:
    """Put the blocks of a scale (or of a channel, which takes its place) by their coordinates (n, 3) as x, y, z."""
    txn.put_many([block_key(scale, (x, y, z)) for x, y, z in coordinates.tolist()], payloads, NONE)

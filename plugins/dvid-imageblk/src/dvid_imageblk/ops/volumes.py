"""Boxes of voxels: whole, or slab by slab so that no answer is ever held whole."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from dvid_voxels.block_codec import Buffer
from dvid_voxels.block_lists import limited_blocks
from dvid_voxels.geometry import Box, Triple
from numpy.typing import NDArray

from dvid_framework.api import BadRequest
from dvid_imageblk.model import VoxelType
from dvid_imageblk.ops.bounds import MOST_BLOCKS, MOST_BYTES, bad_input

__all__ = ["WHOLE_BYTES", "Batch", "VolumeRead", "checked_box", "per_voxel"]

WHOLE_BYTES = 4 << 20
"""A volume up to here is read in one go."""
Batch: TypeAlias = tuple[Sequence[Triple], Sequence[Buffer]]
"""Block coordinates (x, y, z), and what is sent of each block."""
_SLAB_BYTES = 8 << 20  # small enough for caches, large enough that a step costs nothing
_LARGEST_SLAB = 32 << 20
_Mask = Callable[[Box], NDArray[np.bool_]]


def checked_box(box: Box, block_size: Triple, voxel_bytes: int, most_bytes: int = MOST_BYTES) -> Box:
    """Return a box whose voxels have at most so many bytes, and which touches not too many blocks.

    Raises:
        BadRequest: it is larger.
    """
    with bad_input():
        limited_blocks(box.blocks(block_size), MOST_BLOCKS)
    size = box.voxels * voxel_bytes
    if size > most_bytes:
        raise BadRequest(f"{box.size} voxels are {size} bytes; at most {most_bytes} can be asked for at once")
    return box


def per_voxel(blocks: NDArray[np.bool_], box: Box, block_size: Triple) -> NDArray[np.bool_]:
    """Spread what is so of the blocks that a box touches over its voxels."""
    for axis, (low, size, side) in enumerate(zip(box.offset, box.size, block_size, strict=True)):
        blocks = blocks.take(np.arange(low, low + size) // side - low // side, 2 - axis)
    return blocks


@dataclass(frozen=True, slots=True)
class VolumeRead(ABC):
    """A read of voxels.

    Attributes:
        block_size: voxels of a block (x, y, z).
        voxels: what a voxel holds.
        background: each byte of a voxel that was never written.
        scale: the scale; voxels and blocks are of it.
        inside: tells which blocks of a box of block coordinates (z, y, x) are shown; all without it.
        attenuation: bits by which values outside are shifted down; 0 shows the background there.
    """

    block_size: Triple
    voxels: VoxelType
    background: int = 0
    scale: int = 0
    inside: _Mask | None = None
    attenuation: int = 0

    @abstractmethod
    def read(self, box: Box) -> NDArray[Any]:
        """Return the voxels of a box, (z, y, x) or (z, y, x, channel); the background where nothing was written.

        Raises:
            CorruptValue: a stored block is damaged.
        """

    @abstractmethod
    def read_blocks(self, coordinates: NDArray[np.int64]) -> NDArray[Any]:
        """Return the voxels of whole blocks, (n, z, y, x) or (n, z, y, x, channel), by coordinates (n, 3) as x, y, z.

        Raises:
            CorruptValue: a stored block is damaged.
        """

    @abstractmethod
    def batches(self, where: Box | Sequence[Triple], *, raw: bool) -> Iterator[Batch]:
        """Yield the blocks that exist, some at a time.

        Args:
            where: a box of block coordinates, in the order z, y, x; or a list of them, in its order.
            raw: whether their voxels are wanted, or else what is kept of each.

        Raises:
            CorruptValue: a stored block is damaged.
        """

    @abstractmethod
    def count(self, blocks: Box) -> int | None:
        """Return how many blocks of a box of block coordinates exist, if that is cheaply told."""

    def at_hand(self, box: Box) -> Buffer | None:
        """Return the bytes of a box's voxels if that takes no time worth a thread, else None."""
        del box
        return None

    def voxels_at_hand(self, box: Box) -> NDArray[Any] | None:
        """Return the voxels of a box as `read` does if that takes no time worth a thread, else None."""
        del box
        return None

    def blocks_at_hand(self, places: Sequence[Triple]) -> list[bytes | None] | None:
        """Return the voxels of blocks if all are in memory, None for one that was never written; else None."""
        del places
        return None

    @property
    def block_bytes(self) -> int:
        """Bytes of a block's voxels."""
        x, y, z = self.block_size
        return x * y * z * self.voxels.bytes

    @property
    def behind(self) -> tuple[int, ...]:
        """The shape of a voxel: of several channels they come last."""
        return () if self.voxels.channels == 1 else (self.voxels.channels,)

    def pieces(self, box: Box) -> Iterator[memoryview]:
        """Yield the bytes of a box's voxels in order, about 8 MB at a time.

        Raises:
            CorruptValue: a stored block is damaged.
        """
        (x, y, _), (width, height, _) = box.offset, box.size
        for low, depth in self._slabs(box):
            yield self.read(Box((x, y, low), (width, height, depth))).data.cast("B")

    def _slabs(self, box: Box) -> Iterator[tuple[int, int]]:
        """Yield first z and depth of the slabs of a box: layers of blocks, or parts of them if those are too large."""
        side, plane = self.block_size[2], self.voxels.bytes * box.size[0] * box.size[1]
        step = side * max(1, _SLAB_BYTES // (plane * side))
        if plane * step > _LARGEST_SLAB:
            step = max(1, _LARGEST_SLAB // plane)
        z, end = box.offset[2], box.last[2] + 1
        while z < end:
            stop = min((z // step + 1) * step, end)
            yield z, stop - z
            z = stop

    def slab_bytes(self, box: Box) -> int:
        """Return how many bytes `pieces` holds at a time: the slab that is sent and the one that is made."""
        return 2 * max(depth for _, depth in self._slabs(box)) * self.voxels.bytes * box.size[0] * box.size[1]

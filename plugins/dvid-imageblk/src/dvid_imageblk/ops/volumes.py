"""Boxes of voxels: whole, or slab by slab so that no answer is ever held whole."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from dvid_voxels import kernels
from dvid_voxels.block_codec import Buffer
from dvid_voxels.geometry import Box, Triple
from dvid_voxels.tiling import block_coordinates, block_origins
from numpy.typing import NDArray

from dvid_framework.api import BadRequest, View
from dvid_imageblk.codec import StoredForm
from dvid_imageblk.keys import block_key
from dvid_imageblk.model import VoxelType
from dvid_imageblk.ops.bounds import MOST_BYTES, THREADS, stored_blocks
from dvid_imageblk.ops.stored import checked_blocks, payloads_of

__all__ = ["WHOLE_BYTES", "VolumeRead", "checked_box"]

WHOLE_BYTES = 4 << 20
"""A volume up to here is read in one go."""
_SLAB_BYTES = 8 << 20  # small enough for caches, large enough that a step costs nothing
_LARGEST_SLAB = 32 << 20
_Mask = Callable[[Box], NDArray[np.bool_]]


def checked_box(box: Box, block_size: Triple, voxel_bytes: int, most_bytes: int = MOST_BYTES) -> Box:
    """Return a box whose voxels have at most so many bytes, and which touches not too many blocks.

    Raises:
        BadRequest: it is larger.
    """
    checked_blocks(box.blocks(block_size))
    size = box.voxels * voxel_bytes
    if size > most_bytes:
        raise BadRequest(f"{box.size} voxels are {size} bytes; at most {most_bytes} can be asked for at once")
    return box


@dataclass(frozen=True, slots=True)
class VolumeRead:
    """A read of voxels at a version.

    Attributes:
        view: the version; it must stay open while the read goes on.
        scale: the scale; voxels and blocks are of it.
        block_size: voxels of a block (x, y, z).
        voxels: what a voxel holds.
        form: how blocks are stored.
        background: each byte of a voxel that was never written.
        inside: tells which blocks of a box of block coordinates (z, y, x) are shown; all without it.
        attenuation: bits by which values outside are shifted down; 0 shows the background there.
    """

    view: View
    scale: int
    block_size: Triple
    voxels: VoxelType
    form: StoredForm
    background: int = 0
    inside: _Mask | None = None
    attenuation: int = 0

    @property
    def _behind(self) -> tuple[int, ...]:
        """The shape of a voxel: of several channels they come last."""
        return () if self.voxels.channels == 1 else (self.voxels.channels,)

    def read(self, box: Box) -> NDArray[Any]:
        """Return the voxels of a box, (z, y, x) or (z, y, x, channel); the background where nothing was written.

        Raises:
            CorruptValue: a stored block is damaged.
        """
        out = np.empty((*box.shape, *self._behind), self.voxels.data_type)
        blocks = box.blocks(self.block_size)
        payloads = payloads_of(self.view, self.scale, blocks)
        shown = None if self.inside is None else self.inside(blocks)
        if shown is not None and not self.attenuation:
            kept = shown.ravel().tolist()
            payloads = [payload if keep else None for payload, keep in zip(payloads, kept, strict=True)]
        coordinates = block_coordinates(box, self.block_size)
        with stored_blocks(self.scale, coordinates):  # type: ignore[arg-type]  # rows of the array do as triples
            kernels.read_voxel_blocks(
                payloads,
                block_origins(coordinates, self.block_size, box.offset),
                self.block_size,
                self.form.codec,
                out,
                self.background,
                THREADS,
            )
        if shown is not None and self.attenuation:
            out[~self._per_voxel(shown, box)] >>= self.attenuation
        return out

    def _per_voxel(self, shown: NDArray[np.bool_], box: Box) -> NDArray[np.bool_]:
        """Spread what is so of blocks over the voxels of a box."""
        for axis, (low, size, side) in enumerate(zip(box.offset, box.size, self.block_size, strict=True)):
            along = np.arange(low, low + size) // side - low // side
            shown = shown.take(along, 2 - axis)
        return shown

    def read_blocks(self, coordinates: NDArray[np.int64]) -> NDArray[Any]:
        """Return the voxels of whole blocks, (n, z, y, x) or (n, z, y, x, channel), by coordinates (n, 3) as x, y, z.

        Raises:
            CorruptValue: a stored block is damaged.
        """
        places: list[Triple] = [(x, y, z) for x, y, z in coordinates.tolist()]
        payloads = list(self.view.get_each(block_key(self.scale, place) for place in places))
        return self.decoded(places, payloads, self.scale)

    def decoded(self, places: Sequence[Triple], payloads: Sequence[Buffer | None], scale: int) -> NDArray[Any]:
        """Return the voxels of blocks, (n, z, y, x) or (n, z, y, x, channel); the background where there is none.

        Args:
            places: their block coordinates (x, y, z), for messages.
            payloads: what is stored of each.
            scale: their scale, for messages.

        Raises:
            CorruptValue: a stored block is damaged.
        """
        x, y, z = self.block_size
        # One above the other: a volume of one block's width and height.
        out = np.empty((z * len(places), y, x, *self._behind), self.voxels.data_type)
        origins = np.zeros((len(places), 3), np.int64)
        origins[:, 2] = z * np.arange(len(places))
        with stored_blocks(scale, places):
            kernels.read_voxel_blocks(
                payloads, origins, self.block_size, self.form.codec, out, self.background, THREADS
            )
        return out.reshape(len(places), z, *out.shape[1:])

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

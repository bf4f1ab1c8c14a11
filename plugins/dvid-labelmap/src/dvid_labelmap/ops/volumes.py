"""Boxes of voxels: whole, or slab by slab so that no answer is ever held whole."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from dvid_labels import kernels
from dvid_labels.types import Labels
from dvid_voxels.geometry import Box, Triple
from dvid_voxels.tiling import block_coordinates, block_origins
from numpy.typing import NDArray

from dvid_framework.api import BadRequest, View
from dvid_labelmap.ops.blocks import payloads_of
from dvid_labelmap.ops.bounds import MOST_BLOCKS, MOST_BYTES, THREADS, stored_blocks
from dvid_labelmap.ops.mapping import BodyMapping, kernel_mapping

__all__ = ["WHOLE_BYTES", "VolumeRead", "checked_box"]

WHOLE_BYTES = 4 << 20
"""A volume up to here is read in one go."""
_SLAB_BYTES = 8 << 20  # small enough for caches, large enough that a step costs nothing
_LARGEST_SLAB = 64 << 20
_CELL = 8  # a sub-block's side: a slab of whole ones decodes nothing twice, though it inflates twice
_Mask = Callable[[Box], NDArray[np.bool_]]


def checked_box(box: Box, block_size: Triple, most_bytes: int = MOST_BYTES) -> Box:
    """Return a box whose labels have at most so many bytes, and which touches not too many blocks.

    Raises:
        BadRequest: it is larger.
    """
    if box.blocks(block_size).voxels > MOST_BLOCKS:
        raise BadRequest(f"at most {MOST_BLOCKS} blocks can be asked for at once")
    if box.voxels * 8 > most_bytes:
        raise BadRequest(f"{box.size} voxels are {box.voxels * 8} bytes; at most {most_bytes} can be asked for at once")
    return box


@dataclass(frozen=True, slots=True)
class VolumeRead:
    """A read of voxels at a version.

    Attributes:
        view: the version; it must stay open while the read goes on.
        scale: the scale; voxels and blocks are of it.
        block_size: voxels of a block (x, y, z).
        mapping: see `body_mapping`.
        inside: tells which blocks of a box of block coordinates (z, y, x) may be shown; all without it.
    """

    view: View
    scale: int
    block_size: Triple
    mapping: BodyMapping | None = None
    inside: _Mask | None = None

    def read(self, box: Box) -> Labels:
        """Return the labels of a box, uint64 (z, y, x); 0 where nothing was written.

        Raises:
            CorruptValue: a stored block is damaged.
        """
        return self._decoded(box, self._payloads(box))

    def read_if_stored(self, box: Box) -> Labels | None:
        """Return the labels of a box as `read` does, or None if no block of it is stored.

        Raises:
            CorruptValue: a stored block is damaged.
        """
        payloads = self._payloads(box)
        return None if all(payload is None for payload in payloads) else self._decoded(box, payloads)

    def _payloads(self, box: Box) -> list[memoryview | None]:
        blocks = box.blocks(self.block_size)
        payloads = payloads_of(self.view, self.scale, blocks)
        if self.inside is None:
            return payloads
        shown = self.inside(blocks).ravel().tolist()
        return [payload if keep else None for payload, keep in zip(payloads, shown, strict=True)]

    def _decoded(self, box: Box, payloads: list[memoryview | None]) -> Labels:
        out = np.empty(box.shape, np.uint64)
        coordinates = block_coordinates(box, self.block_size)
        with stored_blocks(self.scale, coordinates):  # type: ignore[arg-type]  # rows of the array do as triples
            kernels.read_voxels(
                payloads,
                block_origins(coordinates, self.block_size, box.offset),
                self.block_size,
                out,
                kernel_mapping(self.mapping, payloads),
                THREADS,
            )
        return out

    def pieces(self, box: Box) -> Iterator[memoryview]:
        """Yield the bytes of a box's labels (z, y, x) in order, about 8 MB at a time.

        Raises:
            CorruptValue: a stored block is damaged.
        """
        (x, y, _), (width, height, _) = box.offset, box.size
        for low, depth in self._slabs(box):
            yield self.read(Box((x, y, low), (width, height, depth))).data.cast("B")

    def _slabs(self, box: Box) -> Iterator[tuple[int, int]]:
        """Yield first z and depth of the slabs of a box: layers of blocks, or of sub-blocks if those are too large."""
        side, plane = self.block_size[2], 8 * box.size[0] * box.size[1]
        unit = side if plane * side <= _SLAB_BYTES else _CELL
        step = unit * max(1, _SLAB_BYTES // (plane * unit))
        if plane * step > _LARGEST_SLAB:
            step = max(1, _LARGEST_SLAB // plane)
        z, end = box.offset[2], box.last[2] + 1
        while z < end:
            stop = min((z // step + 1) * step, end)
            yield z, stop - z
            z = stop

    def slab_bytes(self, box: Box) -> int:
        """Return how many bytes `pieces` holds at a time: the slab that is sent and the one that is made."""
        return 2 * max(depth for _, depth in self._slabs(box)) * 8 * box.size[0] * box.size[1]

"""What one instance may ask of another of any type: small typed interfaces that a datatype declares to provide."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from dvid_framework.versions.record import VersionRecord

__all__ = ["BlockMask", "LabelsAt", "SupervoxelsOf"]


@runtime_checkable
class BlockMask(Protocol):
    """A region made of blocks, such as an ROI: what `roi=NAME` of other types asks."""

    def mask_block_size(self) -> tuple[int, int, int]:
        """Return the size (x, y, z) of a block in voxels."""

    def block_mask(self, version: VersionRecord, first: tuple[int, int, int], count: tuple[int, int, int]) -> bytes:
        """Return one byte for each block, 1 inside and 0 outside, x fastest, then y, z.

        Args:
            version: the version to read.
            first: block coordinate (x, y, z) of the first block.
            count: number of blocks along x, y, z.
        """


@runtime_checkable
class LabelsAt(Protocol):
    """A segmentation that tells the label at a point."""

    def labels_at(
        self, version: VersionRecord, points: Sequence[tuple[int, int, int]], supervoxels: bool = False
    ) -> Sequence[int]:
        """Return the body (or supervoxel) at each voxel (x, y, z)."""


@runtime_checkable
class SupervoxelsOf(Protocol):
    """A segmentation that tells what a body is made of."""

    def supervoxels_of(self, version: VersionRecord, body: int) -> Sequence[int]:
        """Return the supervoxels of a body; none if there is no such body."""

"""What one instance may ask of another of any type: small typed interfaces that a datatype declares to provide."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from dvid_framework.versions.record import VersionRecord

if TYPE_CHECKING:
    from numpy.typing import NDArray  # the core itself runs without numpy

__all__ = [
    "LABEL_CHANGES",
    "BlockMask",
    "ImageScale",
    "ImageVolume",
    "LabelledPoints",
    "LabelsAt",
    "PixelType",
    "SupervoxelsOf",
]


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

    def label_block_size(self) -> tuple[int, int, int]:
        """Return the size (x, y, z) in voxels of the blocks that its events name."""


LABEL_CHANGES = [
    ("position", "<i4", (3,)),
    ("kind_before", "u1"),
    ("kind", "u1"),
    ("label_before", "<u8"),
    ("label", "<u8"),
]
"""What a `LabelledPoints` emits as the field `_LabelChanges`: the bytes of an array of this numpy dtype.

One entry for each point whose label or kind changed: where it is now, or was last (x, y, z); its kind and label before;
its kind and label since. Label 0 is none: before it came, and since it went.
"""


@runtime_checkable
class LabelledPoints(Protocol):
    """Points, each of a kind and with the label under it, whose mutations tell followers of `LABEL_CHANGES`."""

    def point_kinds(self) -> Sequence[str]:
        """Return the names of kinds; their places are the numbers of kinds."""

    def labelled_points(self, version: VersionRecord) -> tuple[int, Iterator[tuple[int, NDArray[Any], NDArray[Any]]]]:
        """Return all points that have a label, and the number of the last mutation that they take into account.

        Returns:
            The number, and an iterator that has to be used up or closed: label, kinds (uint8) and places (int32 x, y,
            z) of some points; several times the same label, one after the other.
        """


@runtime_checkable
class SupervoxelsOf(Protocol):
    """A segmentation that tells what a body is made of."""

    def supervoxels_of(self, version: VersionRecord, body: int) -> Sequence[int]:
        """Return the supervoxels of a body; none if there is no such body."""


@dataclass(frozen=True, slots=True)
class PixelType:
    """What a voxel of an image holds.

    Attributes:
        data_type: numpy's name of the type of a value, such as `uint8` or `float32`.
        channels: values of a voxel: 1, or 4 for red, green, blue, alpha, or any other number.
        background: what each byte of a voxel is that was never written.
    """

    data_type: str
    channels: int = 1
    background: int = 0


@dataclass(frozen=True, slots=True)
class ImageScale:
    """One resolution of an image at a version; all triples are x, y, z.

    Attributes:
        extents: the first and the last voxel that are known to hold something; None where nothing was written.
        voxel_size: size of a voxel, in `units`.
        units: such as `nanometers`.
        block_size: voxels of the blocks that it is kept in: boxes of whole blocks are read most cheaply.
    """

    extents: tuple[tuple[int, int, int], tuple[int, int, int]] | None
    voxel_size: tuple[float, float, float]
    units: tuple[str, str, str]
    block_size: tuple[int, int, int]


@runtime_checkable
class ImageVolume(Protocol):
    """A volume of images, gray or of several channels, at one or more resolutions, that another instance may read.

    Its calls block, so they belong into a thread. A slice is a box with one voxel along the third axis.
    """

    def pixel_type(self) -> PixelType:
        """Return what a voxel holds; the same at every scale and version."""

    def image_scales(self, version: VersionRecord) -> Sequence[ImageScale]:
        """Return the resolutions at a version, the finest first; there is always one."""

    def read_box(
        self, version: VersionRecord, scale: int, first: tuple[int, int, int], size: tuple[int, int, int]
    ) -> NDArray[Any]:
        """Return the voxels of a box; the background where nothing was written and outside the extents.

        Args:
            version: the version to read.
            scale: index into `image_scales`; first and size are voxels of it.
            first: the first voxel (x, y, z); may be negative.
            size: voxels along x, y, z, each at least 1.

        Returns:
            An array (z, y, x), or (z, y, x, channel) where there are several channels, C-contiguous, of the type that
            `pixel_type` names and in the byte order of the machine; the caller's own.

        Raises:
            BadRequest: there is no such scale, or the box is larger than one read may be.
            CorruptValue: stored bytes are damaged.
            BadGateway: a service elsewhere that keeps the voxels fails.
        """

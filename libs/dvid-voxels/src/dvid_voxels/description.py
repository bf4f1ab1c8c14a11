"""How a volume describes itself in JSON: resolution, extents and block size by the names that clients know."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from dvid_voxels.geometry import Triple
from dvid_voxels.multiscale import plain_number

__all__ = ["VolumeSettings", "describe_axes", "describe_metadata", "describe_volume"]


class VolumeSettings(Protocol):
    """What is known of any volume that is kept in blocks."""

    @property
    def block_size(self) -> Triple:
        """Voxels of a block along x, y, z."""
        ...

    @property
    def voxel_size(self) -> tuple[float, float, float]:
        """Size of a voxel along x, y, z, in `voxel_units`."""
        ...

    @property
    def voxel_units(self) -> tuple[str, str, str]:
        """Units along x, y, z."""
        ...

    @property
    def background(self) -> int:
        """Value of voxels that were never written."""
        ...

    @property
    def grid_store(self) -> str:
        """The store of voxels that is shown; empty for none."""
        ...

    @property
    def scale_level(self) -> int:
        """Which scale of that store."""
        ...


def describe_volume(settings: VolumeSettings, low: Triple | None, high: Triple | None) -> dict[str, Any]:
    """Return what `Properties` of metadata say of any volume, from `BlockSize` to `ScaleLevel`.

    Args:
        settings: the volume's settings.
        low: first voxel (x, y, z) of its extents; None before any are known.
        high: last voxel of the same.
    """
    return {
        "BlockSize": settings.block_size,
        "VoxelSize": [plain_number(side) for side in settings.voxel_size],
        "VoxelUnits": settings.voxel_units,
        "MinPoint": low,
        "MaxPoint": high,
        "MinIndex": _block_of(low, settings.block_size),
        "MaxIndex": _block_of(high, settings.block_size),
        "Background": settings.background,
        "GridStore": settings.grid_store,
        "ScaleLevel": settings.scale_level,
    }


def _block_of(point: Triple | None, block_size: Triple) -> list[int] | None:
    return None if point is None else [n // side for n, side in zip(point, block_size, strict=True)]


def describe_metadata(
    settings: VolumeSettings, properties: Mapping[str, Any], low: Triple | None, high: Triple | None
) -> dict[str, Any]:
    """Return what `metadata` says of any volume: `Axes`, and its `Properties`; see `describe_volume`."""
    return {"Axes": describe_axes(settings.voxel_size, settings.voxel_units, low, high), "Properties": properties}


def describe_axes(
    voxel_size: Sequence[float], voxel_units: Sequence[str], low: Triple | None, high: Triple | None
) -> list[dict[str, Any]]:
    """Return `Axes` of metadata: label, resolution, units, size and offset in voxels of X, Y, Z.

    Args:
        voxel_size: size of a voxel along x, y, z.
        voxel_units: units along x, y, z.
        low: first voxel (x, y, z) of the extents; without both voxels sizes and offsets are 0.
        high: last voxel of the same.
    """
    offset, size = (0, 0, 0), (0, 0, 0)
    if low is not None and high is not None:
        (x0, y0, z0), (x1, y1, z1) = low, high
        offset, size = low, (x1 - x0 + 1, y1 - y0 + 1, z1 - z0 + 1)
    return [
        {
            "Label": label,
            "Resolution": plain_number(voxel_size[axis]),
            "Units": voxel_units[axis],
            "Size": size[axis],
            "Offset": offset[axis],
        }
        for axis, label in enumerate("XYZ")
    ]

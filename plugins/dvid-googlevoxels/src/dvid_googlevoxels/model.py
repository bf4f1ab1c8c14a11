"""Settings of an instance, what the service says of a volume, and which resolution serves what."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from dvid_voxels.geometry import Triple

__all__ = ["Geometry", "GoogleVoxelsSettings", "highest_resolution", "scales_by_plane"]

_COARSEST = 10_000.0
_MOST_SCALING = 255


class Geometry(msgspec.Struct, frozen=True):
    """One resolution of a volume.

    Attributes:
        size: its voxels along x, y, z.
        channels: values of a voxel.
        kind: what a value is: UINT8, FLOAT, UINT64 or something else.
        pixel_size: size of a voxel in nanometers.
    """

    size: Triple
    channels: int
    kind: str
    pixel_size: tuple[float, float, float]

    @property
    def shown(self) -> dict[str, object]:
        """What `info` shows of it."""
        sizes = [int(side) if side.is_integer() else side for side in self.pixel_size]
        return {
            "volumeSize": self.size,
            "channelCount": self.channels,
            "channelType": self.kind,
            "pixelSize": sizes,
        }


class GoogleVoxelsSettings(msgspec.Struct, frozen=True):
    """Settings of an instance.

    Attributes:
        volume_id: the service's id of the volume.
        jwt_file: file of the service account's key on the server; the key itself is never stored.
        tile_size: pixels along each side of a tile.
        geometries: what the service said of the volume when the instance was made.
    """

    volume_id: str
    jwt_file: str
    tile_size: int = 512
    geometries: tuple[Geometry, ...] = ()


def highest_resolution(geometries: Sequence[Geometry]) -> int:
    """Return the index of the geometry with the smallest voxels; the last one counts where several are smaller."""
    best, found = (_COARSEST, _COARSEST, _COARSEST), 0
    for index, geometry in enumerate(geometries):
        if any(side < least for side, least in zip(geometry.pixel_size, best, strict=True)):
            best, found = geometry.pixel_size, index
    return found


def _plane_of(factors: tuple[float, float, float]) -> str:
    x, y, z = factors
    if x > z and y > z:
        return "XY"
    if x > y and z > y:
        return "XZ"
    if y > x and z > x:
        return "YZ"
    return "XYZ"


def _scaling(factor: float) -> int:
    """Return the smallest n with 2^n >= factor."""
    n = 0
    while 2.0**n < factor and n < _MOST_SCALING:
        n += 1
    return n


def scales_by_plane(geometries: Sequence[Geometry]) -> dict[str, int]:
    """Return the index of the geometry that serves a plane (or XYZ) at a scaling, by `PLANE:SCALING`."""
    highest = highest_resolution(geometries)
    base = geometries[highest].pixel_size
    found = dict.fromkeys(("XY:0", "XZ:0", "YZ:0", "XYZ:0"), highest)
    for index, geometry in enumerate(geometries):
        if index != highest:
            x, y, z = (side / least for side, least in zip(geometry.pixel_size, base, strict=True))
            found[f"{_plane_of((x, y, z))}:{_scaling(max(x, y, z))}"] = index
    return found

"""What a voxel is, and the settings of an instance: how they are read from texts."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
from dvid_voxels.extents import check_order
from dvid_voxels.geometry import GeometryError, Triple
from dvid_voxels.settings_text import parse_byte, parse_point_setting, parse_units, parse_voxel_size, read_settings

from dvid_framework.api import BadRequest

__all__ = ["VOXEL_TYPES", "Channels", "ImageSettings", "VoxelType", "new_settings"]

_LARGEST_SIDE = 1024
_MOST_BYTES = 16 << 20
_MOST_SCALES = 12
_NAMES = {
    "blocksize": "block_size",
    "voxelsize": "voxel_size",
    "voxelunits": "voxel_units",
    "minpoint": "min_point",
    "maxpoint": "max_point",
    "background": "background",
    "gridstore": "grid_store",
    "scalelevel": "scale_level",
    "maxdownreslevel": "max_downres_level",
}


@dataclass(frozen=True, slots=True)
class VoxelType:
    """What a voxel holds.

    Attributes:
        data_type: numpy's name of the type of a value.
        labels: what `info` calls each value.
    """

    data_type: str
    labels: tuple[str, ...]

    @property
    def channels(self) -> int:
        """Values of a voxel."""
        return len(self.labels)

    @property
    def value_bytes(self) -> int:
        """Bytes of a value."""
        return np.dtype(self.data_type).itemsize

    @property
    def bytes(self) -> int:
        """Bytes of a voxel."""
        return self.channels * self.value_bytes

    @property
    def values(self) -> list[dict[str, str]]:
        """What `info` shows of it."""
        return [{"DataType": self.data_type, "Label": label} for label in self.labels]


VOXEL_TYPES: Mapping[str, VoxelType] = {
    "uint8blk": VoxelType("uint8", ("uint8",)),
    "uint16blk": VoxelType("uint16", ("uint16",)),
    "uint32blk": VoxelType("uint32", ("uint32",)),
    "uint64blk": VoxelType("uint64", ("uint64",)),
    "float32blk": VoxelType("float32", ("float32",)),
    "rgba8blk": VoxelType("uint8", ("red", "green", "blue", "alpha")),
}


class ImageSettings(msgspec.Struct, kw_only=True, frozen=True):
    """Settings of an instance, the same at all versions.

    Attributes:
        block_size: voxels of a block along x, y, z.
        voxel_size: size of a voxel along x, y, z, in `voxel_units`.
        voxel_units: units along x, y, z.
        min_point: first voxel of the extents that a version without its own shows.
        max_point: last voxel of the same.
        background: each byte of voxels that were never written.
        grid_store: the configured store of voxels that the instance shows; empty for an instance with its own.
        scale_level: which scale of that store.
        max_downres_level: the lowest resolution that is kept in step with writes; each scale halves the one before.
    """

    block_size: tuple[int, int, int] = (32, 32, 32)
    voxel_size: tuple[float, float, float] = (8.0, 8.0, 8.0)
    voxel_units: tuple[str, str, str] = ("nanometers", "nanometers", "nanometers")
    min_point: tuple[int, int, int] | None = None
    max_point: tuple[int, int, int] | None = None
    background: int = 0
    grid_store: str = ""
    scale_level: int = 0
    max_downres_level: int = 0


class Channels(msgspec.Struct, frozen=True):
    """What the stacks of a volume of several channels hold.

    Attributes:
        count: how many channels there are; 0 before the first stack.
        data_type: numpy's name of the type of their values.
    """

    count: int = 0
    data_type: str = "uint16"

    @property
    def values(self) -> list[dict[str, str]] | None:
        """What `info` shows of them."""
        return [{"DataType": self.data_type, "Label": f"channel{number}"} for number in range(self.count)] or None


def _block_size(text: str) -> Triple:
    size = parse_point_setting(text)
    if any(not 1 <= side <= _LARGEST_SIDE for side in size):
        raise GeometryError(f"each of the three must be from 1 to {_LARGEST_SIDE}")
    return size


def _scales(text: str) -> int:
    count = parse_byte(text)
    if count > _MOST_SCALES:
        raise GeometryError(f"it must be an integer from 0 to {_MOST_SCALES}")
    return count


_READERS: Mapping[str, Callable[[str], Any]] = {
    "block_size": _block_size,
    "voxel_size": parse_voxel_size,
    "voxel_units": parse_units,
    "min_point": parse_point_setting,
    "max_point": parse_point_setting,
    "background": parse_byte,
    "grid_store": str,
    "scale_level": parse_byte,
    "max_downres_level": _scales,
}


def new_settings(config: Mapping[str, Any], voxels: VoxelType) -> ImageSettings:
    """Make the settings of a new instance.

    Args:
        config: texts by lower-case key; unknown keys are ignored.
        voxels: what a voxel holds.

    Raises:
        BadRequest: a value is no text or not allowed.
    """
    try:
        settings = ImageSettings(**read_settings(config, _NAMES, _READERS, ImageSettings()))
        check_order(settings.min_point, settings.max_point)
    except GeometryError as error:
        raise BadRequest(str(error)) from error
    return _checked(settings, voxels)


def _checked(settings: ImageSettings, voxels: VoxelType) -> ImageSettings:
    if math.prod(settings.block_size) * voxels.bytes > _MOST_BYTES:
        raise BadRequest(f"BlockSize {settings.block_size}: a block may have {_MOST_BYTES} bytes")
    if settings.max_downres_level and any(side % 2 for side in settings.block_size):
        raise BadRequest("with MaxDownresLevel the three numbers of BlockSize must be even")
    return settings

"""Settings of an instance and extents of a version: what they are, and how they are read from texts."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import msgspec
from dvid_voxels.geometry import Box, GeometryError, Triple, parse_triple

from dvid_framework.api import BadRequest

__all__ = ["Extents", "LabelMapSettings", "changed_settings", "check_voxel_size", "new_settings", "read_switch"]

_BLOCK_STEP = 16
_LARGEST_SIDE = 1024
_MOST_VOXELS = 1 << 24
_NAMES = {
    "blocksize": "block_size",
    "voxelsize": "voxel_size",
    "voxelunits": "voxel_units",
    "minpoint": "min_point",
    "maxpoint": "max_point",
    "background": "background",
    "gridstore": "grid_store",
    "scalelevel": "scale_level",
    "indexedlabels": "indexed_labels",
    "maxdownreslevel": "max_downres_level",
}


class LabelMapSettings(msgspec.Struct, kw_only=True, frozen=True):
    """Settings of an instance, the same at all versions.

    Attributes:
        block_size: voxels of a block along x, y, z.
        voxel_size: size of a voxel along x, y, z, in `voxel_units`.
        voxel_units: units along x, y, z.
        min_point: first voxel of the extents that a version without its own shows.
        max_point: last voxel of the same.
        background: kept and shown, without effect.
        grid_store: the configured store of labels that the instance shows; empty for an instance with its own.
        scale_level: which of its scales is scale 0.
        shows_grid: whether it shows one; those of earlier releases only kept the two settings before.
        indexed_labels: whether the instance knows where each label is, and counts labels.
        max_downres_level: the lowest resolution that is made: each scale halves the one before.
    """

    block_size: tuple[int, int, int] = (64, 64, 64)
    voxel_size: tuple[float, float, float] = (8.0, 8.0, 8.0)
    voxel_units: tuple[str, str, str] = ("nanometers", "nanometers", "nanometers")
    min_point: tuple[int, int, int] | None = None
    max_point: tuple[int, int, int] | None = None
    background: int = 0
    grid_store: str = ""
    scale_level: int = 0
    shows_grid: bool = False
    indexed_labels: bool = True
    max_downres_level: int = 0


class Extents(msgspec.Struct, frozen=True):
    """The extents that one version has of its own.

    Attributes:
        min_point: first voxel (x, y, z).
        max_point: last voxel (x, y, z).
        is_set: they were set, so those of ancestors don't count any more.
    """

    min_point: tuple[int, int, int]
    max_point: tuple[int, int, int]
    is_set: bool = False

    def grown(self, other: Extents) -> Extents:
        """Return the smallest extents around both."""
        return Extents(
            _each(min, self.min_point, other.min_point), _each(max, self.max_point, other.max_point), self.is_set
        )

    @classmethod
    def of(cls, box: Box) -> Extents:
        """Return the extents of a box of voxels."""
        return cls(box.offset, box.last)


def _each(choose: Any, one: Triple, other: Triple) -> Triple:
    x, y, z = (choose(a, b) for a, b in zip(one, other, strict=True))
    return x, y, z


def _triple(text: str) -> Triple:
    try:
        return parse_triple(text.replace(" ", ""), ",")
    except GeometryError as error:
        raise ValueError("it must be three integers, x,y,z") from error


def _block_size(text: str) -> Triple:
    size = _triple(text)
    if any(n < _BLOCK_STEP or n % _BLOCK_STEP or n > _LARGEST_SIDE for n in size) or math.prod(size) > _MOST_VOXELS:
        raise ValueError(
            f"it must be multiples of {_BLOCK_STEP}, each at most {_LARGEST_SIDE}, and {_MOST_VOXELS} voxels in all"
        )
    return size


def _voxel_size(text: str) -> tuple[float, float, float]:
    try:
        sizes = [float(part) for part in text.split(",")]
    except ValueError:
        sizes = []
    return check_voxel_size(sizes)


def check_voxel_size(sizes: list[float]) -> tuple[float, float, float]:
    """Return three positive sizes.

    Raises:
        ValueError: they are not such.
    """
    if len(sizes) != 3 or not all(math.isfinite(size) and 0 < size < 1e30 for size in sizes):
        raise ValueError("it must be three positive numbers, x,y,z")
    return sizes[0], sizes[1], sizes[2]


def _units(text: str) -> tuple[str, str, str]:
    units = [part.strip() for part in text.split(",")]
    if len(units) != 3:
        raise ValueError("it must be three units, x,y,z")
    return units[0], units[1], units[2]


def _byte(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 3 and int(text) <= 255):
        raise ValueError("it must be an integer from 0 to 255")
    return int(text)


def read_switch(text: str) -> bool:
    """Read true, false, 1 or 0.

    Raises:
        ValueError: it is something else.
    """
    if text.lower() not in ("true", "false", "1", "0"):
        raise ValueError("it must be true or false")
    return text.lower() in ("true", "1")


_READERS: Mapping[str, Any] = {
    "block_size": _block_size,
    "voxel_size": _voxel_size,
    "voxel_units": _units,
    "min_point": _triple,
    "max_point": _triple,
    "background": _byte,
    "grid_store": str,
    "scale_level": _byte,
    "indexed_labels": read_switch,
    "max_downres_level": _byte,
}


def _read(config: Mapping[str, Any]) -> dict[str, Any]:
    """Read the settings among texts by lower-case key."""
    found: dict[str, Any] = {}
    for key, value in config.items():
        name = _NAMES.get(key.lower())
        if name is None:
            continue
        if not isinstance(value, str):
            raise BadRequest(f"setting {key!r} must be a text, such as {_example(name)!r}")
        try:
            found[name] = _READERS[name](value.strip())
        except ValueError as error:
            raise BadRequest(f"setting {key!r} is {value[:60]!r}: {error}") from error
    return found


def _example(name: str) -> str:
    value = getattr(LabelMapSettings(), name)
    return ",".join(str(part) for part in value) if isinstance(value, tuple) else str(value)


def _checked(settings: LabelMapSettings) -> LabelMapSettings:
    low, high = settings.min_point, settings.max_point
    if low is not None and high is not None and any(a > b for a, b in zip(low, high, strict=True)):
        raise BadRequest("MinPoint must not lie behind MaxPoint")
    return settings


def new_settings(config: Mapping[str, Any]) -> LabelMapSettings:
    """Make the settings of a new instance.

    Args:
        config: texts by lower-case key; unknown keys are ignored.

    Raises:
        BadRequest: a value is no text or not allowed.
    """
    return _checked(LabelMapSettings(**_read(config)))


def changed_settings(settings: LabelMapSettings, config: Mapping[str, Any]) -> LabelMapSettings:
    """Return settings with some of them changed; block size and whether bodies are indexed can't be.

    Args:
        settings: the present settings.
        config: texts by key in any case; unknown keys are ignored.

    Raises:
        BadRequest: a value is no text or not allowed, or what can't be changed would be.
    """
    found = _read(config)
    if found.get("block_size", settings.block_size) != settings.block_size:
        raise BadRequest("the block size of an instance can't be changed: make a new instance")
    if found.get("indexed_labels", settings.indexed_labels) != settings.indexed_labels:
        raise BadRequest("IndexedLabels can't be changed, for bodies follow every write: make a new instance")
    fixed = ("grid_store", "scale_level", "max_downres_level") if settings.shows_grid else ()
    if any(found.get(name, getattr(settings, name)) != getattr(settings, name) for name in fixed):
        raise BadRequest("the grid store of an instance and its scales can't be changed: make a new instance")
    return _checked(msgspec.structs.replace(settings, **found))

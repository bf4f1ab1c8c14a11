"""Settings of an instance: what they are, and how they are read from texts."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import msgspec
from dvid_voxels.extents import check_order
from dvid_voxels.geometry import GeometryError, Triple
from dvid_voxels.settings_text import parse_byte, parse_point_setting, parse_units, parse_voxel_size, read_settings

from dvid_framework.api import BadRequest

__all__ = ["LabelMapSettings", "changed_settings", "new_settings", "read_switch"]

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


def _block_size(text: str) -> Triple:
    size = parse_point_setting(text)
    if any(n < _BLOCK_STEP or n % _BLOCK_STEP or n > _LARGEST_SIDE for n in size) or math.prod(size) > _MOST_VOXELS:
        raise GeometryError(
            f"it must be multiples of {_BLOCK_STEP}, each at most {_LARGEST_SIDE}, and {_MOST_VOXELS} voxels in all"
        )
    return size


def read_switch(text: str) -> bool:
    """Read true, false, 1 or 0.

    Raises:
        GeometryError: it is something else.
    """
    if text.lower() not in ("true", "false", "1", "0"):
        raise GeometryError("it must be true or false")
    return text.lower() in ("true", "1")


_READERS: Mapping[str, Callable[[str], Any]] = {
    "block_size": _block_size,
    "voxel_size": partial(parse_voxel_size, above=0.0),
    "voxel_units": parse_units,
    "min_point": parse_point_setting,
    "max_point": parse_point_setting,
    "background": parse_byte,
    "grid_store": str,
    "scale_level": parse_byte,
    "indexed_labels": read_switch,
    "max_downres_level": parse_byte,
}


def _read(config: Mapping[str, Any]) -> dict[str, Any]:
    """Read the settings among texts by key in any case."""
    try:
        return read_settings(config, _NAMES, _READERS, LabelMapSettings())
    except GeometryError as error:
        raise BadRequest(str(error)) from error


def _checked(settings: LabelMapSettings) -> LabelMapSettings:
    try:
        check_order(settings.min_point, settings.max_point)
    except GeometryError as error:
        raise BadRequest(str(error)) from error
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

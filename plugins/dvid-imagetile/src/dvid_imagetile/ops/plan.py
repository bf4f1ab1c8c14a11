"""What a making of tiles is asked to do: planes, slices, levels; and what of it is left."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
from dvid_voxels.geometry import GeometryError, Triple
from dvid_voxels.shapes import Dims, parse_dims

from dvid_framework.api import BadRequest, ImageScale
from dvid_imagetile.model import Level, TileSpec, factors, levels_of
from dvid_imagetile.ops.pyramid import Extent, LevelPlan

__all__ = ["Plan", "PlaneWork", "make_plan", "parse_options"]

_SIDE = 512
_RANGES = {Dims.XY: "zrange", Dims.XZ: "yrange", Dims.YZ: "xrange"}
_LONGEST = 1 << 12
_MOST_FACTOR = 1 << 24


class PlaneWork(NamedTuple):
    """The tiles of one plane.

    Attributes:
        dims: the plane.
        slices: the slices, along the third axis.
        across: columns that are read, to whole pixels of the coarsest level.
        down: rows that are read, likewise.
        levels: the levels.
    """

    dims: Dims
    slices: Extent
    across: Extent
    down: Extent
    levels: list[LevelPlan]

    @property
    def axis(self) -> int:
        """The third axis."""
        return {Dims.XY: 2, Dims.XZ: 1}.get(self.dims, 0)


class Plan(NamedTuple):
    """All of it.

    Attributes:
        spec: the levels, and the range of tiles of the coarsest one.
        planes: the planes.
    """

    spec: TileSpec
    planes: list[PlaneWork]

    @property
    def total(self) -> int:
        """How many slices there are."""
        return sum(plane.slices.end - plane.slices.first for plane in self.planes)


def _planes(text: str) -> list[str]:
    names = [part.strip() for part in text.split(";") if part.strip()]
    try:
        found = [parse_dims(name) for name in names]
    except GeometryError as error:
        raise BadRequest(f"planes: {error}") from error
    if not found or Dims.VOLUME in found:
        raise BadRequest('planes must name some of xy, xz and yz, such as "xy;0,2"')
    return [dims.name for dims in dict.fromkeys(found)]


def _range(name: str, text: str) -> list[int]:
    parts = [part.strip() for part in text.split(",")]
    try:
        first, last = (int(part) for part in parts if len(part) <= 11)
    except ValueError:
        first, last = 1, 0
    if first > last:
        raise BadRequest(f"{name} must be the first and the last slice, such as 0,99, and not {text[:40]!r}")
    return [first, last]


def parse_options(body: bytes) -> dict[str, Any]:
    """Read what the making of tiles is asked to do, as arguments of its job.

    Raises:
        BadRequest: something is malformed.
    """
    try:
        config = msgspec.json.decode(body, type=dict[str, Any]) if body.strip() else {}
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise BadRequest(f"the body is no JSON object: {error}") from error
    config = {key.lower(): value for key, value in config.items()}
    known = {"planes", "levels", *_RANGES.values()}
    if strange := sorted(set(config) - known):
        raise BadRequest(f"unknown settings {', '.join(strange)[:100]!r}; allowed are {', '.join(sorted(known))}")
    for name in known - {"levels"}:
        if not isinstance(config.get(name, ""), str) or len(config.get(name, "")) > _LONGEST:
            raise BadRequest(f"{name} must be a text")
    found: dict[str, Any] = {"planes": _planes(config.get("planes", "xy;xz;yz"))}
    found |= {name: _range(name, config[name]) for name in _RANGES.values() if name in config}
    if "levels" in config:
        try:
            levels = levels_of(msgspec.convert(config["levels"], dict[str, Level]))
        except msgspec.ValidationError as error:
            raise BadRequest(f"levels: {error}") from error
        found["levels"] = msgspec.to_builtins(levels)
    return found


def _default_levels(scale: ImageScale, extents: tuple[Triple, Triple]) -> list[Level]:
    """Return levels of 512 pixels, each half as fine as the one before, until one tile covers the largest extent."""
    count = 1
    for least, most in zip(*extents, strict=True):
        size = (most // _SIDE + 1 - least // _SIDE) * _SIDE
        count = max(count, 1 if size <= _SIDE else math.ceil(math.log2(size / _SIDE)) + 1)
    x, y, z = scale.voxel_size
    return [Level((x * 2**n, y * 2**n, z * 2**n), (_SIDE, _SIDE, _SIDE)) for n in range(count)]


def _extent(least: int, most: int, factor: int) -> Extent:
    return Extent(least // factor * factor, -(-(most + 1) // factor) * factor)


def _plane(dims: Dims, spec: TileSpec, extents: tuple[Triple, Triple], limits: Sequence[int] | None) -> PlaneWork:
    across, down = dims.value
    third = 3 - across - down
    (low, high) = (extents[0][third], extents[1][third])
    if limits is not None:
        low, high = max(low, limits[0]), min(high, limits[1])
    steps = [factors(spec, axis) for axis in (across, down)]
    wholes = [math.prod(one) for one in steps]
    if max(wholes) > _MOST_FACTOR:
        raise BadRequest(f"the coarsest level is more than {_MOST_FACTOR} times coarser than the finest")
    plans = [
        LevelPlan(level.tile_size[across], level.tile_size[down], one, other)
        for level, one, other in zip(spec.levels, *steps, strict=True)
    ]
    edges = [
        _extent(extents[0][axis], extents[1][axis], whole) for axis, whole in zip((across, down), wholes, strict=True)
    ]
    return PlaneWork(dims, Extent(low, max(high + 1, low)), edges[0], edges[1], plans)


def make_plan(arguments: Mapping[str, Any], scale: ImageScale) -> Plan:
    """Return the work that the arguments of a job mean for a volume.

    Raises:
        BadRequest: the volume is empty, or the levels make no sense.
    """
    if scale.extents is None:
        raise BadRequest("the source has no voxels at this version")
    given = arguments.get("levels")
    levels = tuple(msgspec.convert(given, list[Level]) if given else _default_levels(scale, scale.extents))
    coarsest = levels[-1]
    corners: list[Triple] = []
    for point in scale.extents:
        x, y, z = (
            math.floor(voxel * size / (resolution * side))
            for voxel, size, resolution, side in zip(
                point, scale.voxel_size, coarsest.resolution, coarsest.tile_size, strict=True
            )
        )
        corners.append((x, y, z))
    spec = TileSpec(corners[0], corners[1], levels)
    planes = [
        _plane(Dims[name], spec, scale.extents, arguments.get(_RANGES[Dims[name]])) for name in arguments["planes"]
    ]
    return Plan(spec, planes)

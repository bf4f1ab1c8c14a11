"""Settings of an instance, and the levels of its tiles."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from typing import Any

import msgspec
from dvid_voxels.geometry import Triple
from dvid_voxels.multiscale import plain_number

from dvid_framework.api import BadRequest

__all__ = ["ENCODINGS", "ImageTileSettings", "Level", "TileSpec", "factors", "levels_of", "new_settings", "parse_spec"]

ENCODINGS = ("lz4", "png", "jpg")
"""Formats of stored tiles, in the order of the numbers that `info` shows."""
_MOST_LEVELS = 256
_LARGEST_SIDE = 1 << 16
_MOST_PIXELS = 1 << 26
_LEAST_RATIO = 0.99
_MOST_REST = 0.001
_WORDS = {"true": True, "1": True, "false": False, "0": False}


class Level(msgspec.Struct, frozen=True, rename={"resolution": "Resolution", "tile_size": "TileSize"}):
    """One resolution of tiles; triples are x, y, z.

    Attributes:
        resolution: size of a pixel, in nanometers.
        tile_size: pixels of a tile.
    """

    resolution: tuple[float, float, float]
    tile_size: Triple


class TileSpec(msgspec.Struct, frozen=True):
    """What `metadata` says.

    Attributes:
        least: `MinTileCoord`.
        most: `MaxTileCoord`.
        levels: the resolutions, the finest first.
    """

    least: Triple
    most: Triple
    levels: tuple[Level, ...]

    @property
    def shown(self) -> dict[str, Any]:
        """What the wire has of it."""
        levels = {
            str(number): {"Resolution": [plain_number(side) for side in level.resolution], "TileSize": level.tile_size}
            for number, level in enumerate(self.levels)
        }
        return {"MinTileCoord": self.least, "MaxTileCoord": self.most, "Levels": levels}


class ImageTileSettings(msgspec.Struct, frozen=True):
    """Settings of an instance, the same at all versions.

    Attributes:
        format: what a stored tile is: `png`, `jpg` or `lz4`.
        source: name of the instance that has the volume.
        placeholder: whether missing tiles are painted with a text in stitched images.
        spec: the levels; None until they are set.
    """

    format: str = "png"
    source: str = ""
    placeholder: bool = False
    spec: TileSpec | None = None


class _Wire(msgspec.Struct, rename={"least": "MinTileCoord", "most": "MaxTileCoord", "levels": "Levels"}):
    """The body of `metadata`."""

    levels: dict[str, Level]
    least: Triple = (0, 0, 0)
    most: Triple = (0, 0, 0)


def new_settings(config: Mapping[str, Any]) -> ImageTileSettings:
    """Make the settings of a new instance from texts by lower-case key.

    Raises:
        BadRequest: a value is not allowed.
    """
    form = str(config.get("format", "png")).lower()
    if form not in ENCODINGS:
        raise BadRequest(f"setting 'Format' is {form[:20]!r}; png, jpg and lz4 are allowed")
    word = str(config.get("placeholder", "false")).lower()
    if word not in _WORDS:
        raise BadRequest(f"setting 'Placeholder' is {word[:20]!r}; true and false are allowed")
    return ImageTileSettings(form, str(config.get("source", "")), _WORDS[word])


def _check_level(number: int, level: Level) -> None:
    if not all(math.isfinite(side) and 0 < side < 1e30 for side in level.resolution):
        raise BadRequest(f"Resolution of level {number} must be three positive numbers")
    sides = sorted(level.tile_size)
    if not all(1 <= side <= _LARGEST_SIDE for side in sides) or sides[1] * sides[2] > _MOST_PIXELS:
        raise BadRequest(
            f"TileSize of level {number} must be three numbers from 1 to {_LARGEST_SIDE}, "
            f"of which two have at most {_MOST_PIXELS} pixels"
        )


def _check_step(number: int, fine: Level, coarse: Level) -> None:
    for this, following in zip(fine.resolution, coarse.resolution, strict=True):
        if following / this < _LEAST_RATIO or abs(math.remainder(following, this)) > _MOST_REST:
            raise BadRequest(
                f"Resolution of level {number + 1} must be a whole multiple of that of level {number} along each axis"
            )


def levels_of(named: Mapping[str, Level]) -> tuple[Level, ...]:
    """Return levels that are named by their numbers, in order.

    Raises:
        BadRequest: they are not 0, 1, ... without a gap, or make no sense.
    """
    wanted = [str(number) for number in range(min(len(named), _MOST_LEVELS + 1))]
    if not named or len(named) > _MOST_LEVELS or set(named) != set(wanted):
        raise BadRequest(f"Levels must be named 0, 1, ... without a gap, and be 1 to {_MOST_LEVELS}")
    levels = tuple(named[name] for name in wanted)
    for number, level in enumerate(levels):
        _check_level(number, level)
        if number:
            _check_step(number - 1, levels[number - 1], level)
    return levels


def parse_spec(body: bytes) -> TileSpec:
    """Read the body of `metadata`.

    Raises:
        BadRequest: it is not such, or its levels make no sense.
    """
    try:
        wire = msgspec.json.decode(body, type=_Wire)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise BadRequest(f"the body is not the JSON that is wanted: {error}") from error
    return TileSpec(wire.least, wire.most, levels_of(wire.levels))


def factors(spec: TileSpec, axis: int) -> list[int]:
    """Return for each level how many pixels of the level before one of it covers along an axis; 1 for the first."""
    sides = [level.resolution[axis] for level in spec.levels]
    return [1, *(max(round(coarse / fine), 1) for fine, coarse in itertools.pairwise(sides))]

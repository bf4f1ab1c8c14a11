"""Settings of volumes as texts: `32,32,32`, `3.2,3.2,40`, `nanometers,nanometers,nanometers`."""

import math
from collections.abc import Callable, Mapping
from typing import Any

from dvid_voxels.geometry import GeometryError, Triple, parse_triple

__all__ = ["check_voxel_size", "parse_byte", "parse_point_setting", "parse_units", "parse_voxel_size", "read_settings"]


def parse_point_setting(text: str) -> Triple:
    """Parse three integers joined by commas, perhaps with blanks.

    Raises:
        GeometryError: it is something else.
    """
    try:
        return parse_triple(text.replace(" ", ""), ",")
    except GeometryError as error:
        raise GeometryError("it must be three integers, x,y,z") from error


def parse_voxel_size(text: str, above: float = 1e-30) -> tuple[float, float, float]:
    """Parse three positive numbers joined by commas, each more than `above`.

    Raises:
        GeometryError: it is something else.
    """
    try:
        sizes = [float(part) for part in text.split(",")]
    except ValueError:
        sizes = []
    return check_voxel_size(sizes, above)


def check_voxel_size(sizes: list[float], above: float = 1e-30) -> tuple[float, float, float]:
    """Return three positive sizes, each more than `above`.

    Raises:
        GeometryError: they are not such.
    """
    if len(sizes) != 3 or not all(math.isfinite(size) and above < size < 1e30 for size in sizes):
        raise GeometryError("it must be three positive numbers, x,y,z")
    return sizes[0], sizes[1], sizes[2]


def parse_units(text: str) -> tuple[str, str, str]:
    """Parse three words joined by commas.

    Raises:
        GeometryError: there are not three.
    """
    units = [part.strip() for part in text.split(",")]
    if len(units) != 3:
        raise GeometryError("it must be three units, x,y,z")
    return units[0], units[1], units[2]


def parse_byte(text: str) -> int:
    """Parse an integer from 0 to 255.

    Raises:
        GeometryError: it is something else.
    """
    if not (text.isascii() and text.isdigit() and len(text) <= 3 and int(text) <= 255):
        raise GeometryError("it must be an integer from 0 to 255")
    return int(text)


def read_settings(
    config: Mapping[str, Any], names: Mapping[str, str], readers: Mapping[str, Callable[[str], Any]], defaults: object
) -> dict[str, Any]:
    """Read the settings of an instance from texts.

    Args:
        config: texts by key in any case; unknown keys are ignored.
        names: name of a setting by its lower-case key.
        readers: what reads the text of a setting, by its name; raises GeometryError.
        defaults: has the default of each setting as an attribute, which messages show.

    Returns:
        what was found, by name.

    Raises:
        GeometryError: a value is no text or not allowed; the sentence names the key.
    """
    found: dict[str, Any] = {}
    for key, value in config.items():
        name = names.get(key.lower())
        if name is None:
            continue
        if not isinstance(value, str):
            raise GeometryError(f"setting {key!r} must be a text, such as {_shown(getattr(defaults, name))!r}")
        try:
            found[name] = readers[name](value.strip())
        except GeometryError as error:
            raise GeometryError(f"setting {key!r} is {value[:60]!r}: {error}") from error
    return found


def _shown(value: object) -> str:
    return ",".join(str(part) for part in value) if isinstance(value, tuple) else str(value)

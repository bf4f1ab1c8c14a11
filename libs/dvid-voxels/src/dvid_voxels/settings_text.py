"""Settings of volumes as texts: `32,32,32`, `3.2,3.2,40`, `nanometers,nanometers,nanometers`."""

import math

from dvid_voxels.geometry import GeometryError, Triple, parse_triple

__all__ = ["check_voxel_size", "parse_byte", "parse_point_setting", "parse_units", "parse_voxel_size"]


def parse_point_setting(text: str) -> Triple:
    """Parse three integers joined by commas, perhaps with blanks.

    Raises:
        GeometryError: it is something else.
    """
    try:
        return parse_triple(text.replace(" ", ""), ",")
    except GeometryError as error:
        raise GeometryError("it must be three integers, x,y,z") from error


def parse_voxel_size(text: str) -> tuple[float, float, float]:
    """Parse three positive numbers joined by commas.

    Raises:
        GeometryError: it is something else.
    """
    try:
        sizes = [float(part) for part in text.split(",")]
    except ValueError:
        sizes = []
    return check_voxel_size(sizes)


def check_voxel_size(sizes: list[float]) -> tuple[float, float, float]:
    """Return three positive sizes.

    Raises:
        GeometryError: they are not such.
    """
    if len(sizes) != 3 or not all(math.isfinite(size) and 1e-30 < size < 1e30 for size in sizes):
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

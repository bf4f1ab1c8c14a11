"""A volume at several resolutions cut into chunks, as formats of other tools describe it.

Scale n halves scale n - 1 along each axis: its voxel i covers the voxels 2i and 2i + 1, also below 0. Chunks are whole
blocks and lie where blocks do, so that a chunk of the usual size is one stored block.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dvid_voxels.geometry import Box, GeometryError, Triple

__all__ = [
    "Chunk",
    "Multiscale",
    "NoSuchKey",
    "chunk_of_blocks",
    "nanometers",
    "parse_scale_key",
    "plain_number",
    "planar_bytes",
]

_LEAST_SIDE = 64
_NANOMETERS = {
    "nanometers": 1.0, "nanometer": 1.0, "nm": 1.0,
    "micrometers": 1e3, "micrometer": 1e3, "microns": 1e3, "micron": 1e3, "um": 1e3, "µm": 1e3,
    "millimeters": 1e6, "millimeter": 1e6, "mm": 1e6,
    "meters": 1e9, "meter": 1e9, "m": 1e9,
    "angstroms": 0.1, "angstrom": 0.1,
}  # fmt: skip


class NoSuchKey(GeometryError):
    """A format has no file of that name in this volume; the text is one sentence."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """A chunk of a volume.

    Attributes:
        scale: its scale.
        box: its voxels of that scale; not empty.
    """

    scale: int
    box: Box


@dataclass(frozen=True, slots=True)
class Multiscale:
    """A volume.

    Attributes:
        box: its voxels at scale 0.
        scales: how many resolutions there are.
        chunk_size: voxels of a chunk along x, y, z.
        voxel_size: nanometers of a voxel of scale 0 along x, y, z.
        dtype: name of numpy's type of a value.
        channels: values of a voxel.
    """

    box: Box
    scales: int
    chunk_size: Triple
    voxel_size: tuple[float, float, float]
    dtype: str
    channels: int = 1

    def box_at(self, scale: int) -> Box:
        """Return the voxels of a scale."""
        (x, y, z), (u, v, w) = self.box.offset, self.box.last
        return Box.between((x >> scale, y >> scale, z >> scale), (u >> scale, v >> scale, w >> scale))

    def first_chunk_at(self, scale: int) -> Triple:
        """Return the first voxel (x, y, z) of the first chunk of a scale."""
        (x, y, z), (width, height, depth) = self.box_at(scale).offset, self.chunk_size
        return x - x % width, y - y % height, z - z % depth

    def voxel_size_at(self, scale: int) -> tuple[float, float, float]:
        """Return the nanometers of a voxel of a scale along x, y, z."""
        x, y, z = self.voxel_size
        return x * 2**scale, y * 2**scale, z * 2**scale


def chunk_of_blocks(block_size: Triple) -> Triple:
    """Return the size of chunks (x, y, z) for a size of blocks: as many whole blocks as reach 64 voxels."""
    x, y, z = (side * -(-_LEAST_SIDE // side) for side in block_size)
    return x, y, z


def nanometers(sizes: Sequence[float], units: Sequence[str]) -> tuple[float, float, float]:
    """Return sizes along x, y, z in nanometers; units that are not known count as nanometers."""
    x, y, z = (size * _NANOMETERS.get(unit.strip().lower(), 1.0) for size, unit in zip(sizes, units, strict=True))
    return x, y, z


def parse_scale_key(key: str, scales: int) -> int:
    """Return the scale that `0`, `1`, ... names.

    Raises:
        NoSuchKey: there is no such scale.
    """
    canonical = key.isascii() and key.isdigit() and len(key) <= 3 and str(int(key)) == key
    if not canonical or int(key) >= scales:
        raise NoSuchKey(f"there is no {key[:40]!r} here; the scales are 0 to {scales - 1}")
    return int(key)


def plain_number(value: float) -> float | int:
    """Return 8.0 as 8, for JSON."""
    return int(value) if value.is_integer() and abs(value) < 1e15 else value


def planar_bytes(values: NDArray[np.generic]) -> bytes:
    """Return the values of a chunk, little-endian: x fastest, then y, z and channels.

    Args:
        values: (z, y, x) or (z, y, x, channels).
    """
    planar = np.moveaxis(values, 3, 0) if values.ndim == 4 else values
    return np.ascontiguousarray(planar, values.dtype.newbyteorder("<")).tobytes()

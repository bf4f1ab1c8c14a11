"""OME-Zarr 0.5 on Zarr 3: a group with `multiscales`, and for each scale an array in regular chunks.

Names are `zarr.json`, `0/zarr.json` and `0/c/z/y/x` (`0/c/0/z/y/x` of a volume with channels). The index of a voxel
in an array is its coordinate at that scale, unless there are negative ones: then the arrays of all scales begin at one
place further down, and the attribute `origin` and OME's translation say where. A chunk has the bytes of `planar_bytes`.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dvid_voxels.geometry import Box, GeometryError, Triple
from dvid_voxels.multiscale import Chunk, Multiscale, NoSuchKey, parse_scale_key, plain_number

__all__ = ["OmeZarr", "fill_value"]

_DOCUMENT = "zarr.json"
_LONGEST_INDEX = 10
_MOST_HALVED = 24  # scales that begin at one place: the lower ones have one chunk on each side of 0


@dataclass(frozen=True, slots=True)
class OmeZarr:
    """A volume as its files.

    Attributes:
        volume: the volume.
        name: shown by viewers.
        fill: the value of voxels in chunks that are not there, as JSON has it: see `fill_value`.
        gzip: whether chunks are compressed with gzip.
    """

    volume: Multiscale
    name: str
    fill: float | str = 0
    gzip: bool = False

    def document(self, keys: Sequence[str]) -> dict[str, Any] | None:
        """Return the JSON of a file `zarr.json`; None for every other name.

        Args:
            keys: the name of the file, split at slashes.

        Raises:
            NoSuchKey: it is that of a scale that is not there.
        """
        if list(keys) == [_DOCUMENT]:
            return self._group()
        if len(keys) == 2 and keys[1] == _DOCUMENT:
            return self._array(parse_scale_key(keys[0], self.volume.scales))
        return None

    def chunk(self, keys: Sequence[str]) -> Chunk:
        """Return the chunk of a file, always whole.

        Args:
            keys: the name of the file, split at slashes, such as `0`, `c`, `0`, `2`, `1`.

        Raises:
            NoSuchKey: the volume has no such chunk.
        """
        wanted = 5 if self.volume.channels == 1 else 6
        if len(keys) != wanted or keys[1] != "c":
            axes = "z/y/x" if self.volume.channels == 1 else "0/z/y/x"
            raise NoSuchKey(f"this volume has the files zarr.json, 0/zarr.json and chunks 0/c/{axes}")
        scale = parse_scale_key(keys[0], self.volume.scales)
        indices = [_index(key) for key in keys[2:]]
        if self.volume.channels != 1 and indices.pop(0):
            raise NoSuchKey("all channels are in one chunk, of index 0")
        size = self.volume.chunk_size
        x, y, z = (
            start + index * side for start, index, side in zip(self.origin(scale), indices[::-1], size, strict=True)
        )
        try:
            box = Box((x, y, z), size)
        except GeometryError:
            box = None
        if box is None or box.intersection(self.volume.box_at(scale)) is None:
            raise NoSuchKey(f"there is no chunk {'/'.join(keys)!r}: it is outside the volume")
        return Chunk(scale, box)

    def origin(self, scale: int) -> Triple:
        """Return the voxel (x, y, z) of the index 0 of a scale's array: the same place at all scales."""
        low, size = self.volume.box.offset, self.volume.chunk_size
        x, y, z = (self._begin(first, side, scale) for first, side in zip(low, size, strict=True))
        return x, y, z

    def _begin(self, first: int, side: int, scale: int) -> int:
        """Along one axis 0, or if there are voxels below it what begins a chunk at every scale."""
        step = side << min(self.volume.scales - 1, _MOST_HALVED)
        begin = min(0, first - first % step) >> scale
        return begin - begin % side

    def _shape(self, scale: int) -> list[int]:
        end = (last + 1 for last in self.volume.box_at(scale).last)
        lengths = [stop - start for stop, start in zip(end, self.origin(scale), strict=True)]
        return self._channel_axis(self.volume.channels) + lengths[::-1]

    def _channel_axis(self, value: object) -> list[Any]:
        return [] if self.volume.channels == 1 else [value]

    def _array(self, scale: int) -> dict[str, Any]:
        volume = self.volume
        codecs: list[dict[str, Any]] = [{"name": "bytes", "configuration": {"endian": "little"}}]
        if volume.dtype == "uint8":
            codecs = [{"name": "bytes"}]
        if self.gzip:
            codecs.append({"name": "gzip", "configuration": {"level": 1}})
        return {
            "zarr_format": 3,
            "node_type": "array",
            "shape": self._shape(scale),
            "data_type": volume.dtype,
            "chunk_grid": {
                "name": "regular",
                "configuration": {"chunk_shape": self._channel_axis(volume.channels) + list(volume.chunk_size[::-1])},
            },
            "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
            "fill_value": self.fill,
            "codecs": codecs,
            "dimension_names": [*self._channel_axis("c"), "z", "y", "x"],
            "attributes": {"origin": self._channel_axis(0) + list(self.origin(scale)[::-1])},
        }

    def _group(self) -> dict[str, Any]:
        scales = range(self.volume.scales)
        axes = [{"name": name, "type": "space", "unit": "nanometer"} for name in "zyx"]
        multiscale = {
            "name": self.name,
            "axes": [*self._channel_axis({"name": "c", "type": "channel"}), *axes],
            "datasets": [self._dataset(scale) for scale in scales],
        }
        return {
            "zarr_format": 3,
            "node_type": "group",
            "attributes": {"ome": {"version": "0.5", "multiscales": [multiscale]}},
            # Over HTTP nobody can list what is in a group.
            "consolidated_metadata": {
                "kind": "inline",
                "must_understand": False,
                "metadata": {str(scale): self._array(scale) for scale in scales},
            },
        }

    def _dataset(self, scale: int) -> dict[str, Any]:
        """Scale and translation: the position of a voxel is that of its centre, and voxel 0 of scale 0 lies at 0."""
        sizes = self.volume.voxel_size_at(scale)
        centre = (2**scale - 1) / 2
        shifts = [
            start * size + centre * finest
            for start, size, finest in zip(self.origin(scale), sizes, self.volume.voxel_size, strict=True)
        ]
        return {
            "path": str(scale),
            "coordinateTransformations": [
                {"type": "scale", "scale": self._channel_axis(1) + [plain_number(size) for size in sizes[::-1]]},
                {
                    "type": "translation",
                    "translation": self._channel_axis(0) + [plain_number(float(shift)) for shift in shifts[::-1]],
                },
            ],
        }


def fill_value(background: int, dtype: str) -> float | str:
    """Return the value of a voxel whose bytes are all the same, as JSON of Zarr has it.

    Args:
        background: the byte.
        dtype: numpy's name of the type of a value.

    Returns:
        A number, or the bytes of a float that is none, such as `0xffffffff`.
    """
    size = np.dtype(dtype).itemsize
    value: float = np.frombuffer(bytes([background]) * size, dtype)[0].item()
    return value if math.isfinite(value) else f"0x{bytes([background]).hex() * size}"


def _index(key: str) -> int:
    if not (key.isascii() and key.isdigit() and len(key) <= _LONGEST_INDEX) or str(int(key)) != key:
        raise NoSuchKey(f"{key[:40]!r} is no index of a chunk")
    return int(key)

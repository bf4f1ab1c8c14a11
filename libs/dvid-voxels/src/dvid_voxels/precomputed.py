"""Neuroglancer's precomputed volumes, unsharded: `info`, and chunks named `0/0-64_0-64_0-64`.

A chunk in the encoding `raw` has the bytes of `planar_bytes`.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from dvid_voxels.geometry import INT32_MAX, INT32_MIN, Box, Triple
from dvid_voxels.images import Format, encode_image
from dvid_voxels.multiscale import Chunk, Multiscale, NoSuchKey, parse_scale_key, plain_number

__all__ = ["Encoding", "Precomputed", "jpeg_chunk"]

Encoding = Literal["raw", "compressed_segmentation", "jpeg"]
_RANGE = re.compile(r"(-?[0-9]{1,10})-(-?[0-9]{1,11})")
_CELL = 8
_LONGEST = 80


@dataclass(frozen=True, slots=True)
class Precomputed:
    """A volume as its files.

    The volume begins where its first chunk does, so that chunks are whole blocks; it ends with the last voxel, where
    chunks are cut.

    Attributes:
        volume: the volume.
        kind: `image` or `segmentation`.
        encoding: how chunks are encoded.
    """

    volume: Multiscale
    kind: Literal["image", "segmentation"]
    encoding: Encoding

    def document(self, keys: Sequence[str]) -> dict[str, Any] | None:
        """Return the JSON of the file `info`; None for every other name.

        Args:
            keys: the name of the file, split at slashes.
        """
        if list(keys) != ["info"]:
            return None
        return {
            "@type": "neuroglancer_multiscale_volume",
            "type": self.kind,
            "data_type": self.volume.dtype,
            "num_channels": self.volume.channels,
            "scales": [self._scale(scale) for scale in range(self.volume.scales)],
        }

    def _scale(self, scale: int) -> dict[str, Any]:
        volume, (first, end) = self.volume, self._corners(scale)
        found: dict[str, Any] = {
            "key": str(scale),
            "size": [b - a for a, b in zip(first, end, strict=True)],
            "voxel_offset": list(first),
            "resolution": [plain_number(side) for side in volume.voxel_size_at(scale)],
            "chunk_sizes": [list(volume.chunk_size)],
            "encoding": self.encoding,
        }
        if self.encoding == "compressed_segmentation":
            found["compressed_segmentation_block_size"] = [_CELL] * 3
        return found

    def _corners(self, scale: int) -> tuple[Triple, Triple]:
        """First voxel, and the one after the last."""
        x, y, z = self.volume.box_at(scale).last
        return self.volume.first_chunk_at(scale), (x + 1, y + 1, z + 1)

    def chunk(self, keys: Sequence[str]) -> Chunk:
        """Return the chunk of a file.

        Args:
            keys: the name of the file, split at slashes, such as `0` and `0-64_0-64_0-64`.

        Raises:
            NoSuchKey: the volume has no such chunk.
        """
        if len(keys) != 2:
            raise NoSuchKey("a precomputed volume has the file info and chunks such as 0/0-64_0-64_0-64")
        scale, name = parse_scale_key(keys[0], self.volume.scales), keys[1]
        parts = [_RANGE.fullmatch(part) for part in name.split("_")] if len(name) <= _LONGEST else []
        if len(parts) != 3 or None in parts:
            raise NoSuchKey(f"{name[:_LONGEST]!r} is no chunk: its name is x0-x1_y0-y1_z0-z1")
        ranges = [(int(part[1]), int(part[2])) for part in parts if part is not None]
        # The name must be the one that the format gives: the same chunk has no second one.
        if "_".join(f"{low}-{high}" for low, high in ranges) != name or not self._is_chunk(scale, ranges):
            first, end = self._corners(scale)
            raise NoSuchKey(
                f"there is no chunk {name!r} at scale {scale}: chunks of {self.volume.chunk_size} voxels begin at "
                f"{first} and end at {end}"
            )
        low, high = ([one[side] for one in ranges] for side in (0, 1))
        return Chunk(scale, Box((low[0], low[1], low[2]), (high[0] - low[0], high[1] - low[1], high[2] - low[2])))

    def _is_chunk(self, scale: int, ranges: Sequence[tuple[int, int]]) -> bool:
        first, end = self._corners(scale)
        return all(
            INT32_MIN <= low < high <= INT32_MAX + 1
            and start <= low
            and (low - start) % side == 0
            and high == min(low + side, stop)
            for (low, high), start, stop, side in zip(ranges, first, end, self.volume.chunk_size, strict=True)
        )

    def padded(self, chunk: Chunk) -> Box:
        """Return the box of a chunk with sizes that compressed_segmentation can encode: multiples of 8.

        What is added lies in the same blocks, and readers don't see it.
        """
        x, y, z = (size + -size % _CELL for size in chunk.box.size)
        return Box(chunk.box.offset, (x, y, z))


def jpeg_chunk(values: NDArray[np.uint8], quality: int) -> bytes:
    """Encode a chunk as `jpeg`: an image of x columns and z times y rows.

    Args:
        values: uint8 (z, y, x) or (z, y, x, 3).
        quality: 1 to 100.

    Raises:
        GeometryError: the chunk is too large for an image.
    """
    depth, height = values.shape[:2]
    return encode_image(values.reshape(depth * height, *values.shape[2:]), Format("jpg", quality))[0]

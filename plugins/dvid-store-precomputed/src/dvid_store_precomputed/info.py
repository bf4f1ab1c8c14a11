"""The file `info` of a precomputed volume: what it must say, and what is taken from it."""

from __future__ import annotations

from typing import Any

import msgspec

from dvid_framework.api import BadRequest, GridScale

__all__ = ["Info", "ScaleInfo", "parse_info"]

_TYPES = frozenset({"uint8", "uint16", "uint32", "uint64", "float32"})
_ENCODINGS = frozenset({"raw", "jpeg", "png", "compressed_segmentation"})
_SHARDED = "neuroglancer_uint64_sharded_v1"
_LARGEST = 1 << 31
_MOST_CHUNK = 1 << 27
_MOST_SCALES = 64
_Triple = tuple[int, int, int]


class Sharding(msgspec.Struct, rename={"kind": "@type"}):
    """How chunks are put together in files."""

    kind: str
    hash: str = "identity"


class ScaleInfo(msgspec.Struct):
    """One resolution."""

    key: str
    size: _Triple
    resolution: tuple[float, float, float]
    chunk_sizes: list[_Triple]
    encoding: str
    voxel_offset: _Triple = (0, 0, 0)
    sharding: Sharding | None = None

    @property
    def scale(self) -> GridScale:
        """The resolution as instances see it."""
        return GridScale(self.size, self.voxel_offset, self.chunk_sizes[0], self.resolution)


class Info(msgspec.Struct):
    """The whole file; what it says besides does not matter here."""

    type: str
    data_type: str
    num_channels: int
    scales: list[ScaleInfo]
    raw: dict[str, Any] = {}

    def sharding_of(self, scale: int) -> dict[str, Any] | None:
        """Return the sharding of a scale as the file has it."""
        found: dict[str, Any] | None = self.raw["scales"][scale].get("sharding")
        return found


def _check_scale(number: int, scale: ScaleInfo) -> None:
    if len(scale.chunk_sizes) != 1:
        raise BadRequest(f"scale {number} has {len(scale.chunk_sizes)} chunk sizes; it must have one")
    chunk = scale.chunk_sizes[0]
    if not all(1 <= side < _LARGEST for side in (*chunk, *scale.size)):
        raise BadRequest(f"scale {number} has a size that makes no sense")
    if chunk[0] * chunk[1] * chunk[2] > _MOST_CHUNK:
        raise BadRequest(f"scale {number} has chunks of more than {_MOST_CHUNK} voxels")
    if not all(
        low >= -_LARGEST and low + side <= _LARGEST for low, side in zip(scale.voxel_offset, scale.size, strict=True)
    ):
        raise BadRequest(f"scale {number} does not lie within 32-bit coordinates")
    if scale.encoding not in _ENCODINGS:
        raise BadRequest(
            f"scale {number} has the encoding {scale.encoding[:40]!r}; {', '.join(sorted(_ENCODINGS))} are read"
        )
    if scale.sharding is not None and scale.sharding.kind != _SHARDED:
        raise BadRequest(f"scale {number} has the sharding {scale.sharding.kind[:60]!r}; {_SHARDED} is read")


def parse_info(body: bytes) -> Info:
    """Read the file `info`.

    Raises:
        BadRequest: it is no description of a volume that can be read; the message says why.
    """
    try:
        raw = msgspec.json.decode(body, type=dict[str, Any])
        info = msgspec.convert({**raw, "raw": raw}, Info)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise BadRequest(f"its info is not that of a precomputed volume: {error}") from error
    if info.type not in ("image", "segmentation"):
        raise BadRequest(f"its info has the type {info.type[:40]!r}; image and segmentation are read")
    if info.data_type not in _TYPES or not 1 <= info.num_channels <= 256:
        raise BadRequest(f"its info has {info.num_channels} channels of {info.data_type[:20]!r}, which are not read")
    if not 1 <= len(info.scales) <= _MOST_SCALES:
        raise BadRequest(f"its info has {len(info.scales)} scales; 1 to {_MOST_SCALES} are read")
    for number, scale in enumerate(info.scales):
        _check_scale(number, scale)
    return info

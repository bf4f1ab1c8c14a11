"""Lower resolutions of blocks that are written."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias

import numpy as np
from dvid_voxels.block_codec import Buffer, encode_block
from dvid_voxels.downsample import downsample_image
from dvid_voxels.geometry import Triple
from numpy.typing import NDArray

from dvid_framework.api import Conflict
from dvid_imageblk.keys import block_key
from dvid_imageblk.ops.stored_read import StoredRead

__all__ = ["children_of", "lower_scales", "put_together"]

_Coordinates: TypeAlias = NDArray[np.int64]
_BATCH_BYTES = 32 << 20


def lower_scales(
    read: StoredRead, coordinates: _Coordinates, payloads: Sequence[Buffer], levels: int
) -> Iterator[tuple[int, _Coordinates, list[bytes]]]:
    """Yield scale, block coordinates int64 (n, 3) as x, y, z, and payloads of the lower blocks above written blocks.

    A low block is made of its eight high blocks as they are after the write, so that a scale always is what the one
    above it says.

    Args:
        read: how the version was read before the write.
        coordinates: written blocks of scale 0, integers (n, 3) as x, y, z, each once.
        payloads: their payloads.
        levels: the last scale to make.

    Raises:
        CorruptValue: a stored block is damaged.
    """
    high: dict[Triple, Buffer] = dict(zip(_places(coordinates), payloads, strict=True))
    x, y, z = read.block_size
    batch = max(1, _BATCH_BYTES // (8 * x * y * z * read.voxels.bytes))
    for scale in range(1, levels + 1):
        low = np.unique(np.array(list(high), np.int64) // 2, axis=0)
        made: dict[Triple, Buffer] = {}
        for at in range(0, len(low), batch):
            part = _places(low[at : at + batch])
            made.update(zip(part, _lowered(read, scale, part, high), strict=True))
        yield scale, low, [bytes(payload) for payload in made.values()]
        high = made


def _places(coordinates: _Coordinates) -> list[Triple]:
    return [(x, y, z) for x, y, z in coordinates.tolist()]


def children_of(place: Triple) -> list[Triple]:
    """Return the coordinates of the eight blocks of the scale above that a block is made of, x fastest."""
    x, y, z = (2 * n for n in place)
    return [(x + (i & 1), y + (i >> 1 & 1), z + (i >> 2)) for i in range(8)]


def _lowered(read: StoredRead, scale: int, low: Sequence[Triple], high: dict[Triple, Buffer]) -> list[Buffer]:
    """Make the blocks of a scale of those of the scale above, taken from `high` or else from what is stored."""
    children = [child for place in low for child in children_of(place)]
    payloads = [high[child] if child in high else _settled(read, scale - 1, child) for child in children]
    voxels = read.decoded(children, payloads, scale - 1)
    return [_halved(read, voxels[8 * number : 8 * number + 8]) for number in range(len(low))]


def _halved(read: StoredRead, octants: NDArray[Any]) -> bytes:
    block = np.ascontiguousarray(downsample_image(put_together(octants)))
    return encode_block(block.data.cast("B"), read.form.codec, read.block_size[0], read.form.level)


def put_together(octants: NDArray[Any]) -> NDArray[Any]:
    """Return the volume (2z, 2y, 2x, ...) of eight blocks (8, z, y, x, ...), x fastest."""
    behind = tuple(range(6, octants.ndim + 2))
    z, y, x = octants.shape[1:4]
    whole = octants.reshape(2, 2, 2, z, y, x, *octants.shape[4:]).transpose(0, 3, 1, 4, 2, 5, *behind)
    return whole.reshape(2 * z, 2 * y, 2 * x, *octants.shape[4:])


def _settled(read: StoredRead, scale: int, place: Triple) -> Buffer | None:
    """Return a stored block; where merged branches disagree about a low one, it is made anew of the high ones.

    High blocks of scale 0 that they disagree about count as absent, until they are written.
    """
    try:
        return read.view.get(block_key(scale, place))
    except Conflict:
        return None if scale == 0 else _lowered(read, scale, [place], {})[0]

"""Lower resolutions of blocks that are written."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeAlias

import numpy as np
from dvid_labels import kernels
from dvid_labels.types import Buffer
from dvid_voxels.geometry import Triple
from numpy.typing import NDArray

from dvid_framework.api import Conflict, View
from dvid_labelmap.keys import block_key
from dvid_labelmap.ops.bounds import THREADS, stored_blocks

__all__ = ["Changed", "LowerBlocks", "lower_scales"]

_Coordinates: TypeAlias = NDArray[np.int64]
Changed: TypeAlias = NDArray[np.uint8]
"""Which parts of 8x8x8 voxels of blocks have changed, (n, z, y, x)."""
LowerBlocks: TypeAlias = tuple[int, _Coordinates, list[bytes]]
"""Scale, block coordinates, int64 (n, 3) as x, y, z, and payloads."""
_OCTANT = np.array((1, 2, 4))


def lower_scales(
    view: View,
    coordinates: _Coordinates,
    payloads: Sequence[Buffer],
    block_size: Triple,
    levels: int,
    changed: Changed | None = None,
) -> Iterator[LowerBlocks]:
    """Yield scale, block coordinates int64 (n, 3) as x, y, z, and payloads of the lower blocks above written blocks.

    A low block is made of its eight high blocks; the octants whose high block was not written keep what is stored.

    Args:
        view: the version before the write.
        coordinates: written blocks of scale 0, integers (n, 3) as x, y, z, each once.
        payloads: their payloads.
        block_size: voxels of a block (x, y, z).
        levels: the last scale to make.
        changed: which parts of the blocks have changed; what other parts are made into stays as it is stored. Blocks
            are then not gzipped, neither those that are given nor those that are yielded.

    Raises:
        CorruptValue: a stored low block is damaged.
    """
    plain, parts = changed is not None, changed
    for scale in range(1, levels + 1):
        low, parents = np.unique(coordinates // 2, axis=0, return_inverse=True)
        octants: list[list[Buffer | None]] = [[None] * 8 for _ in range(len(low))]
        written = np.zeros((len(low), 8), np.uint8)
        places = ((coordinates % 2) * _OCTANT).sum(axis=1)
        written[parents.ravel(), places] = 1
        for parent, place, payload in zip(parents.ravel().tolist(), places.tolist(), payloads, strict=True):
            octants[parent][place] = payload
        parts = None if parts is None else _changed_below(parts, parents.ravel(), coordinates % 2, len(low))
        old: list[Buffer | None] = [None] * len(low)
        partial = np.flatnonzero((written.sum(axis=1) < 8) | (parts is not None))
        for row, stored in zip(partial.tolist(), _stored(view, scale, low[partial], block_size), strict=True):
            old[row] = stored
        with stored_blocks(scale, low.tolist()):
            made = kernels.downsample_blocks(octants, written, old, block_size, THREADS, parts, plain=plain)
        yield scale, low, made
        coordinates, payloads = low, made


def _stored(view: View, scale: int, coordinates: _Coordinates, block_size: Triple) -> list[Buffer | None]:
    """Return stored blocks; None where there is none."""
    places: list[Triple] = [(x, y, z) for x, y, z in coordinates.tolist()]
    try:
        return list(view.multi_get([block_key(scale, place) for place in places]))
    except Conflict:
        return [_settled(view, scale, place, block_size) for place in places]


def _changed_below(changed: Changed, parents: NDArray[np.intp], octants: _Coordinates, count: int) -> Changed | None:
    """Return the parts of low blocks that follow from what changed in high ones.

    Args:
        changed: of each high block.
        parents: the number of its low block.
        octants: where it lies in that, int64 (n, 3) of 0 and 1 as x, y, z.
        count: how many low blocks there are.

    Returns:
        The parts, or None where those of low blocks are not made of whole ones.
    """
    sides = changed.shape[1:]
    if any(side % 2 for side in sides):
        return None
    z, y, x = (side // 2 for side in sides)
    halved = changed.reshape(-1, z, 2, y, 2, x, 2).max(axis=(2, 4, 6))
    below = np.zeros((count, *sides), np.uint8)
    for parent, (i, j, k), part in zip(parents.tolist(), octants.tolist(), halved, strict=True):
        below[parent, k * z : (k + 1) * z, j * y : (j + 1) * y, i * x : (i + 1) * x] = part
    return below


def _settled(view: View, scale: int, coordinate: Triple, block_size: Triple) -> Buffer | None:
    """Return a stored block; where merged branches disagree about a low one, it is made anew of the high ones.

    High blocks of scale 0 that they disagree about count as absent, until they are written.
    """
    try:
        return view.get(block_key(scale, coordinate))
    except Conflict:
        if scale == 0:
            return None
    x, y, z = (2 * n for n in coordinate)
    children = [(x + (i & 1), y + (i >> 1 & 1), z + (i >> 2)) for i in range(8)]
    octants = [_settled(view, scale - 1, child, block_size) for child in children]
    with stored_blocks(scale, [coordinate]):
        return kernels.downsample_blocks([octants], np.ones((1, 8), np.uint8), [None], block_size, THREADS)[0]

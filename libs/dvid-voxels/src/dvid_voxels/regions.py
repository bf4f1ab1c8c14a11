"""Which of some blocks lie in a region that answers for boxes of blocks."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from dvid_voxels.geometry import Triple

__all__ = ["blocks_inside"]

_TOGETHER = 256


def blocks_inside(ask: Callable[[Triple, Triple], bytes], blocks: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Tell which blocks lie in a region.

    Args:
        ask: returns one byte for each block of a box, not 0 inside, x fastest, by its first block and their number
            along x, y, z. It is asked for boxes of one plane.
        blocks: int64 (n, 3) as x, y, z, in any order.
    """
    found = np.zeros(len(blocks), bool)
    order = np.lexsort(blocks.T)
    planes = np.flatnonzero(np.diff(blocks[order, 2])) + 1
    for plane in np.split(order, planes):
        for at in range(0, len(plane), _TOGETHER):
            chosen = plane[at : at + _TOGETHER]
            part = blocks[chosen]
            first = part.min(axis=0)
            wide, high, _ = (int(side) for side in part.max(axis=0) - first + 1)
            x, y, z = (int(side) for side in first)
            mask = np.frombuffer(ask((x, y, z), (wide, high, 1)), np.uint8).reshape(high, wide)
            columns = part - first
            found[chosen] = mask[columns[:, 1], columns[:, 0]] != 0
    return found

"""Settings, and what an ROI is made of."""

from __future__ import annotations

from typing import TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray

__all__ = ["MOST_POINTS", "MOST_RUNS", "MOST_VOXELS", "RoiSettings", "Runs", "Triple"]

Triple: TypeAlias = tuple[int, int, int]
Runs: TypeAlias = NDArray[np.int32]
"""Shape (n, 4): z, y, x0, x1 of each run of blocks; x1 belongs to it."""

MOST_RUNS = 1_000_000
"""Runs of an ROI."""
MOST_POINTS = 1_000_000
"""Points of one query."""
MOST_VOXELS = 1 << 30
"""Voxels of one mask."""


class RoiSettings(msgspec.Struct):
    """Settings of an instance.

    Attributes:
        block_size: voxels of a block along x, y, z.
    """

    block_size: Triple = (32, 32, 32)

"""Which blocks of a box lie inside a region of interest."""

from __future__ import annotations

import numpy as np
from dvid_voxels.geometry import Box, Triple
from dvid_voxels.masks import touched_blocks
from numpy.typing import NDArray

from dvid_framework.api import BlockMask, VersionRecord

__all__ = ["inside_of"]


def inside_of(region: BlockMask, version: VersionRecord, blocks: Box, block_size: Triple) -> NDArray[np.bool_]:
    """Tell which blocks a region touches; its own blocks may be of another size.

    Args:
        region: the region.
        version: the version to read it at.
        blocks: a box of block coordinates.
        block_size: voxels of a block (x, y, z).

    Returns:
        bool (z, y, x) of the box.
    """
    return touched_blocks(
        blocks, block_size, region.mask_block_size(), lambda first, count: region.block_mask(version, first, count)
    )

"""What `dvid fsck` checks of a volume."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from dvid_voxels.downsample import downsample_image
from dvid_voxels.geometry import Triple
from numpy.typing import NDArray

from dvid_framework.api import Conflict, CorruptValue
from dvid_imageblk.keys import block_bounds, block_coordinate
from dvid_imageblk.ops.downsample import children_of, put_together
from dvid_imageblk.ops.stored_read import StoredRead

__all__ = ["damaged_blocks"]


def damaged_blocks(read: StoredRead, levels: int) -> Iterator[str]:
    """Yield a sentence for each block that can't be read, and each low one that is not the mean of the high ones."""
    for start, stop in block_bounds():
        for key in read.view.keys(start, stop):
            scale, place = block_coordinate(key)
            try:
                payload = read.view.get(key)
                found = read.decoded([place], [payload], scale)
                if 0 < scale <= levels and read.form.codec != "jpeg" and not _is_mean(read, scale, place, found[0]):
                    yield f"the block {place} of scale {scale} is not what scale {scale - 1} says"
            except CorruptValue as error:
                yield str(error)
            except Conflict:
                continue  # merged branches disagree: it is read as an error until it is written


def _is_mean(read: StoredRead, scale: int, place: Triple, block: NDArray[Any]) -> bool:
    high = replace(read, scale=scale - 1)
    octants = high.read_blocks(np.array(children_of(place), np.int64))
    equal: bool = np.array_equal(downsample_image(put_together(octants)), block, equal_nan=block.dtype.kind == "f")
    return equal

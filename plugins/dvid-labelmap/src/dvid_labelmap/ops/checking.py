"""A check of everything that a version sees, for `dvid fsck`."""

from __future__ import annotations

from collections.abc import Iterator

from dvid_labels import LabelFormatError, kernels
from dvid_voxels.geometry import Triple

from dvid_framework.api import DvidError, View
from dvid_labelmap.keys import block_bounds, block_coordinate

__all__ = ["damaged_blocks"]


def damaged_blocks(view: View, block_size: Triple) -> Iterator[str]:
    """Yield a sentence for each block that can't be read or is no block of this size."""
    for key in view.keys(*block_bounds()):
        scale, coordinate = block_coordinate(key)
        try:
            payload = view.get(key)
            if payload is not None:
                kernels.check_payloads([payload], block_size, 1)
        except (LabelFormatError, DvidError) as error:
            yield f"block {coordinate} of scale {scale}: {error}"

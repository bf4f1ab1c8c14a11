"""The splits of supervoxels at a version and its ancestors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dvid_framework.api import View
from dvid_labelmap.keys import split_bounds, split_of_key

if TYPE_CHECKING:
    from dvid_labelmap.instance import LabelMapInstance

__all__ = ["supervoxel_splits"]


def supervoxel_splits(instance: LabelMapInstance, view: View) -> list[Any]:
    """Return UUID and splits [mutation id, old, remain, split] of each version with splits, from this one to the root.

    What was undone, at this version or above it, is left out.
    """
    found: list[Any] = []
    for version in instance.repo.dag.first_parents(view.version):
        splits = [
            [*split_of_key(key), int.from_bytes(value[:8], "little"), int.from_bytes(value[8:], "little")]
            for key, value in view.scan(*split_bounds(version.id))
        ]
        if splits:
            found += [version.uuid, splits]
    return found

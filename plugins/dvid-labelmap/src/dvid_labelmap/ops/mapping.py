"""The one place where supervoxels become bodies: what kernels are given as `mapping`."""

from __future__ import annotations

from dvid_labels.types import Mapping

from dvid_framework.api import View

__all__ = ["body_mapping"]


def body_mapping(view: View, supervoxels: bool) -> Mapping | None:
    """Return what supervoxels are mapped to at a version.

    Args:
        view: the version.
        supervoxels: whether labels are asked for as they are stored.

    Returns:
        None: every supervoxel is a body of its own.
    """
    del view, supervoxels
    return None

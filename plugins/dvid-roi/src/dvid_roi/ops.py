"""The operations on an ROI."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dvid_framework.api import Txn, View
from dvid_roi.keys import decode_runs, encode_runs
from dvid_roi.model import Runs, Triple
from dvid_roi.region import Region

__all__ = ["points_inside", "read_region", "replace_runs"]


def read_region(view: View) -> Region:
    """Return the ROI that a version sees: its own runs on top of its ancestors'."""
    return Region(decode_runs(view.keys()))


def replace_runs(view: View, txn: Txn, runs: Runs) -> None:
    """Make the ROI of a version consist of these runs and no others, inherited ones included."""
    new = dict.fromkeys(encode_runs(runs))
    inherited = view.keys()
    for key in inherited:
        if key not in new:
            txn.delete(key)
    for key in new:
        txn.put(key, b"")
    txn.emit("postroi", Runs=len(new))
    txn.mark_internal()


def points_inside(region: Region, block_size: Triple, points: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Tell for each voxel (x, y, z) whether its block is inside."""
    return region.contains(points // np.array(block_size, np.int64))

"""Where the original does not cut runs at the bound maxx: in sub-blocks of one label, which it takes whole along x.

Clients know its answers, so they are given here too. A block that has but one label is cut as one would think.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from dvid_labels import gunzip
from dvid_labels.layout import SIDE, Layout, largest_block, parse
from dvid_labels.types import Buffer, Labels
from dvid_voxels.geometry import Triple
from numpy.typing import NDArray

__all__ = ["runs_past_bound"]

_Runs = NDArray[np.int32]


def runs_past_bound(
    payloads: Sequence[Buffer | None],
    coordinates: NDArray[np.int64],
    block_size: Triple,
    supervoxels: Labels,
    bounds: tuple[Triple, Triple],
) -> _Runs:
    """Return the runs that follow behind maxx, int32 (m, 4) as x, y, z, length.

    Args:
        payloads: the blocks; None for those that are not there.
        coordinates: block coordinates, int64 (n, 3) as x, y, z.
        block_size: voxels of a block (x, y, z).
        supervoxels: labels of the body, uint64, ascending.
        bounds: first and last voxel, both included.

    Raises:
        LabelFormatError: a block is damaged.
    """
    last, width = bounds[1][0], block_size[0]
    found = [np.zeros((0, 4), np.int32)]
    if (last + 1) % SIDE:
        for place in np.flatnonzero(coordinates[:, 0] == last // width).tolist():
            payload = payloads[place]
            if payload is not None:
                layout = parse(gunzip(payload, largest_block(block_size)), block_size)
                if not layout.solid:
                    origin = coordinates[place] * np.array(block_size)
                    found.append(_past(layout, origin, supervoxels, bounds))
    return np.concatenate(found)


def _past(layout: Layout, origin: NDArray[np.int64], supervoxels: Labels, bounds: tuple[Triple, Triple]) -> _Runs:
    """Return what follows behind maxx in one block whose first voxel is `origin`."""
    (_, y_low, z_low), (last, y_high, z_high) = bounds
    gx, gy, gz = layout.grid
    column = (last - int(origin[0])) // SIDE
    cells = np.arange(gy * gz) * gx + column
    single = layout.counts[cells] == 1
    labels = layout.table[layout.indices[layout.first_index[cells[single]]]]
    places = np.minimum(np.searchsorted(supervoxels, labels), len(supervoxels) - 1)
    mine = np.flatnonzero(single)[supervoxels[places] == labels]
    rows = np.arange(SIDE)
    y = (origin[1] + mine % gy * SIDE)[:, None, None] + rows
    z = (origin[2] + mine // gy * SIDE)[:, None, None] + rows[:, None]
    y, z = (axis.ravel() for axis in np.broadcast_arrays(y, z))
    inside = (y >= y_low) & (y <= y_high) & (z >= z_low) & (z <= z_high)
    y, z = y[inside], z[inside]
    end = int(origin[0]) + (column + 1) * SIDE
    return np.stack((np.full(len(y), last + 1), y, z, np.full(len(y), end - last - 1)), axis=1).astype(np.int32)

"""How near bodies come to each other: the smallest distance within each block that both have."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from dvid_labels import kernels
from dvid_voxels.geometry import Triple
from numpy.typing import NDArray

from dvid_framework.api import NotFound, View
from dvid_labelmap.keys import block_key
from dvid_labelmap.ops.body_index import BodyIndex, read_index
from dvid_labelmap.ops.bounds import THREADS, stored_blocks
from dvid_labelmap.ops.mapping import BodyMapping, kernel_mapping

__all__ = ["proximities"]

_FAR = 1 << 30


def _index(view: View, body: int) -> BodyIndex:
    found = read_index(view, body)
    if found is None:
        raise NotFound("")
    return found


def proximities(
    view: View, mapping: BodyMapping | None, block_size: Triple, body: int, others: Sequence[int]
) -> list[dict[str, Any]]:
    """Return block, label and distance for each block that a body shares with each of the others.

    Args:
        view: the version.
        mapping: see `body_mapping`.
        block_size: voxels of a block (x, y, z).
        body: the body.
        others: the others.

    Raises:
        NotFound: one of them is no body.
        CorruptValue: a stored block is damaged.
    """
    mine = _index(view, body).blocks
    theirs = {other: {tuple(block) for block in _index(view, other).blocks.tolist()} for other in others}
    found = []
    for x, y, z in mine.tolist():
        sharing = [other for other in others if (x, y, z) in theirs[other]]
        voxels = _voxels(view, mapping, block_size, (x, y, z)) if sharing else None
        if voxels is None:
            continue
        for other in sharing:
            distance = _distance(voxels == np.uint64(body), voxels == np.uint64(other))
            if distance is not None:
                found.append({"Block": [x, y, z], "Label": other, "Distance": distance})
    return found


def _voxels(view: View, mapping: BodyMapping | None, block_size: Triple, block: Triple) -> NDArray[np.uint64] | None:
    payload = view.get(block_key(0, block))
    if payload is None:
        return None
    out = np.empty(block_size[::-1], np.uint64)
    with stored_blocks(0, [block]):
        kernels.read_voxels([payload], [(0, 0, 0)], block_size, out, kernel_mapping(mapping, [payload]), THREADS)
    return out


def _distance(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> float | None:
    """Return the smallest distance between voxels of two sets of a block, exactly; None if one is empty.

    Squared distances are brought along one axis after the other; how far one must look falls with the best one known.
    """
    if not one.any() or not other.any():
        return None
    squared = np.where(one, 0, _FAR).astype(np.int32)
    reach = _reach(one, other)
    for axis in range(3):
        squared = _along(squared, axis, reach)
    return float(np.sqrt(squared[other].min()))


def _reach(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> int:
    """Return a bound on the smallest distance: from the first voxel of one set to the nearest of the other."""
    here, there = np.argwhere(one)[0], np.argwhere(other)
    nearest = there[((there - here) ** 2).sum(axis=1).argmin()]
    back = np.argwhere(one)
    return int(np.ceil(np.sqrt(((back - nearest) ** 2).sum(axis=1).min())))


def _along(squared: NDArray[np.int32], axis: int, reach: int) -> NDArray[np.int32]:
    best = squared.copy()
    for step, ahead, behind in _shifts(squared.ndim, axis, min(reach, squared.shape[axis] - 1)):
        np.minimum(best[ahead], squared[behind] + step * step, out=best[ahead])
        np.minimum(best[behind], squared[ahead] + step * step, out=best[behind])
    return best


def _shifts(dimensions: int, axis: int, reach: int) -> Iterator[tuple[int, tuple[slice, ...], tuple[slice, ...]]]:
    everything = [slice(None)] * dimensions
    for step in range(1, reach + 1):
        ahead, behind = list(everything), list(everything)
        ahead[axis], behind[axis] = slice(step, None), slice(None, -step)
        yield step, tuple(ahead), tuple(behind)

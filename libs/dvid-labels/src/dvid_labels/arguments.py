"""Checks of arguments that both implementations of the kernels make, so that they refuse alike."""

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dvid_labels.layout import SIDE, check_shape
from dvid_labels.types import Labels, Payloads, Shape

__all__ = [
    "BlockRuns",
    "Bounds",
    "LabelParts",
    "Region",
    "check_block_coordinates",
    "check_block_runs",
    "check_bounds",
    "check_changed",
    "check_octants",
    "check_origins",
    "check_out",
    "check_parts",
    "check_points",
    "check_region",
    "check_supervoxels",
    "check_threads",
    "check_volume",
]

Region: TypeAlias = tuple[Shape, Shape]
#: Lowest and highest voxel (x, y, z), both within.
Bounds: TypeAlias = tuple[Shape, Shape]
#: Runs (m, 4) within their blocks, and where those of each block begin (n + 1,).
BlockRuns: TypeAlias = tuple[NDArray[np.int64], NDArray[np.int64]]
#: Labels that ascend, what they become within runs, and what outside of them.
LabelParts: TypeAlias = tuple[Labels, Labels, Labels]
_INT32 = np.iinfo(np.int32)
_MOST_THREADS = 8
_FARTHEST = 1 << 40


def check_threads(threads: int) -> int:
    """Check a number of threads, 1 to 8.

    Raises:
        ValueError: it is another.
    """
    if not 1 <= threads <= _MOST_THREADS:
        raise ValueError(f"threads must be 1 to {_MOST_THREADS}, not {threads}")
    return threads


def check_volume(volume: Labels, multiple: Shape = (SIDE, SIDE, SIDE)) -> Labels:
    """Check that a volume is uint64 (z, y, x) and a whole number of blocks; make it C-contiguous and aligned.

    Raises:
        ValueError: it is not.
    """
    if volume.dtype != np.uint64 or volume.ndim != 3:
        raise ValueError(f"the volume must be uint64 (z, y, x), not {volume.dtype} {volume.shape}")
    if any(size == 0 or size % step for size, step in zip(volume.shape[::-1], multiple, strict=True)):
        raise ValueError(f"the volume's size {volume.shape[::-1]} is not a multiple of {multiple}")
    return np.require(volume, requirements=["C", "A"])


def check_out(out: Labels) -> None:
    """Check that an output is a writeable, aligned, C-contiguous uint64 (z, y, x).

    Raises:
        ValueError: it is not.
    """
    if out.dtype != np.uint64 or out.ndim != 3 or not out.flags.carray:
        raise ValueError("the output must be a writeable, aligned, C-contiguous uint64 array (z, y, x)")


def check_origins(origins: ArrayLike, block_shape: Shape, count: int) -> NDArray[np.int64]:
    """Check first voxels of blocks: integers (n, 3) as x, y, z, all on one lattice of the block shape.

    Raises:
        ValueError: they are not.
    """
    check_shape(block_shape)
    places = np.ascontiguousarray(origins, np.int64).reshape(-1, 3)
    if len(places) != count:
        raise ValueError("there must be one origin for each payload")
    if len(places) and (np.abs(places).max() > _FARTHEST or ((places - places[0]) % np.array(block_shape)).any()):
        raise ValueError("the origins of the blocks do not lie on one lattice of the block shape")
    return places


def check_region(region: Region | None, out: Labels) -> Region:
    """Clip a region (first voxel, end) in x, y, z to an output; all of it if None."""
    z, y, x = out.shape
    if region is None:
        return (0, 0, 0), (x, y, z)
    low, high = region
    return (
        (max(0, low[0]), max(0, low[1]), max(0, low[2])),
        (min(x, high[0]), min(y, high[1]), min(z, high[2])),
    )


def check_points(
    block_of_point: ArrayLike, offsets: ArrayLike, block_shape: Shape, blocks: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Check points: the number of each one's block (m,), and its voxel inside it (m, 3) as x, y, z.

    Raises:
        ValueError: the arrays are not parallel, a block is not given, or a voxel lies outside its block.
    """
    check_shape(block_shape)
    owners = np.ascontiguousarray(block_of_point, np.int64)
    places = np.ascontiguousarray(offsets, np.int64).reshape(-1, 3)
    if owners.shape != (len(places),):
        raise ValueError("there must be one block number for each point")
    if ((owners < 0) | (owners >= blocks)).any() or ((places < 0) | (places >= np.array(block_shape))).any():
        raise ValueError("a point lies outside its block, or its block is not given")
    return owners, places


def check_octants(octants: Sequence[Payloads], written: NDArray[np.uint8], old: Payloads) -> NDArray[np.uint8]:
    """Check that each low block has eight octants, eight flags and one old block; the flags as uint8 (n, 8).

    Raises:
        ValueError: it has not.
    """
    flags = np.ascontiguousarray(written, np.uint8)
    if flags.shape != (len(octants), 8) or len(old) != len(octants) or any(len(eight) != 8 for eight in octants):
        raise ValueError("each low block needs eight octants, eight flags and one old block")
    return flags


def check_changed(changed: NDArray[np.uint8], block_shape: Shape, count: int) -> NDArray[np.uint8]:
    """Check that each block has a flag for each of its 8x8x8 parts; the flags as uint8 (n, z, y, x).

    Raises:
        ValueError: it has not.
    """
    flags = np.ascontiguousarray(changed, np.uint8)
    x, y, z = block_shape
    if flags.shape != (count, z // 8, y // 8, x // 8):
        raise ValueError("each block needs a flag for each of its parts of 8x8x8 voxels")
    return flags


def check_block_coordinates(coordinates: ArrayLike, block_shape: Shape, count: int) -> NDArray[np.int64]:
    """Check block coordinates: integers (n, 3) as x, y, z, no two alike, whose voxels are within int32.

    Returns:
        First voxel of each block, int64 (n, 3) as x, y, z.

    Raises:
        ValueError: they are not such, or there are not `count` of them.
    """
    check_shape(block_shape)
    places = np.ascontiguousarray(coordinates, np.int64).reshape(-1, 3)
    if len(places) != count:
        raise ValueError("there must be one block coordinate for each payload")
    if not len(places):
        return places
    side = np.array(block_shape, np.int64)
    if (places < _INT32.min // side).any() or (places > _INT32.max // side).any():
        raise ValueError("a block coordinate is out of range")
    ordered = places[np.lexsort(places.T)]
    if (ordered[1:] == ordered[:-1]).all(axis=1).any():
        raise ValueError("two payloads have the same block coordinate")
    firsts: NDArray[np.int64] = places * side
    if (firsts + side - 1 > _INT32.max).any():
        raise ValueError("a block coordinate is out of range")
    return firsts


def check_supervoxels(supervoxels: ArrayLike) -> Labels:
    """Check the supervoxels of a body: uint64 (n,), ascending, each once.

    Raises:
        ValueError: they are not.
    """
    labels = np.require(supervoxels, np.uint64, ["C", "A"])
    if labels.ndim != 1 or (labels[1:] <= labels[:-1]).any():
        raise ValueError("the supervoxels must be one ascending list, each of them once")
    return labels


def check_bounds(bounds: Bounds | None) -> Bounds:
    """Inclusive voxel bounds (lowest, highest) as x, y, z; all of int32 if None.

    Raises:
        ValueError: they are not two corners of three numbers.
    """
    if bounds is None:
        return (_INT32.min,) * 3, (_INT32.max,) * 3
    low, high = bounds
    if len(low) != 3 or len(high) != 3:
        raise ValueError("bounds must be two corners of three numbers")
    a, b, c = (max(int(n), _INT32.min) for n in low)
    d, e, f = (min(int(n), _INT32.max) for n in high)
    return (a, b, c), (d, e, f)


def check_block_runs(runs: BlockRuns, block_shape: Shape, count: int) -> BlockRuns:
    """Check the runs of `count` blocks: each within its block, those of a block together.

    Raises:
        ValueError: they are not such.
    """
    x, y, z = check_shape(block_shape)
    rows = np.require(runs[0], np.int64, ["C", "A"]).reshape(-1, 4)
    starts = np.require(runs[1], np.int64, ["C", "A"])
    if starts.shape != (count + 1,) or starts[0] or starts[-1] != len(rows) or (starts[1:] < starts[:-1]).any():
        raise ValueError("each block needs its runs")
    room = np.array((x, y, z)) - rows[:, :3]
    if (rows[:, :3] < 0).any() or (room < 1).any() or (rows[:, 3] < 1).any() or (rows[:, 3] > room[:, 0]).any():
        raise ValueError("a run lies outside its block")
    return rows, starts


def check_parts(parts: LabelParts) -> LabelParts:
    """Check what labels become: uint64 (k,) each, the first of them ascending.

    Raises:
        ValueError: they are not such.
    """
    source = check_supervoxels(parts[0])
    inside, outside = (np.require(labels, np.uint64, ["C", "A"]) for labels in parts[1:])
    if inside.shape != source.shape or outside.shape != source.shape:
        raise ValueError("the labels must ascend, and each needs one label inside and one outside")
    return source, inside, outside

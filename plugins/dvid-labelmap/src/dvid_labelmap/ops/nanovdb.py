"""A NanoVDB grid of type OnIndex: which voxels are active, in a tree of 32^3, 16^3 and 8^3, without values.

Nodes are stored by level, each level together; the sizes and places of fields are those of NanoVDB 32.8.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable

import numpy as np
from dvid_labels.types import Labels
from numpy.typing import NDArray

from dvid_framework.api import BadRequest

__all__ = ["MOST_VOXELS", "index_grid", "voxels_of_runs"]

MOST_VOXELS = 1 << 27
"""Voxels of one grid: their places are all in memory at once."""
_MAGIC = b"NanoVDB0"
_VERSION = 32 << 21 | 8 << 10
_FLAGS = 1 << 1 | 1 << 5  # it has a bounding box, and its nodes stand in breadth-first order
_INDEX_GRID, _ON_INDEX = 8, 20
_GRID, _TREE, _ROOT, _TILE, _UPPER, _LOWER, _LEAF = 672, 64, 96, 32, 270400, 33856, 96
_NAME_BYTES = 256
_Integers = NDArray[np.int64]


def _number(places: _Integers, side: int, step: int) -> _Integers:
    """Return the number of each child in its node of side^3 children of step^3 voxels; z runs fastest."""
    x, y, z = (places // step % side).T
    numbers: _Integers = (x * side + y) * side + z
    return numbers


def _grouped(places: _Integers, step: int) -> tuple[_Integers, _Integers]:
    """Return the first voxels of the nodes of step^3 voxels, int64 (n, 3), and the node of each place."""
    nodes, owners = np.unique(places // step, axis=0, return_inverse=True)
    return nodes * step, owners.ravel()


def _masks(owners: _Integers, numbers: _Integers, count: int, side: int) -> NDArray[np.uint8]:
    """Return the bits of each node that are set, uint8 (count, side^3 / 8), lowest first."""
    bits = np.zeros((count, side**3), np.uint8)
    bits[owners, numbers] = 1
    return np.packbits(bits, axis=1, bitorder="little")


def _boxes(owners: _Integers, count: int, low: _Integers, high: _Integers) -> tuple[_Integers, _Integers]:
    """Return the bounding box of each node's children."""
    first, last = np.full((count, 3), np.iinfo(np.int64).max), np.full((count, 3), np.iinfo(np.int64).min)
    np.minimum.at(first, owners, low)
    np.maximum.at(last, owners, high)
    return first, last


def _leaves(places: _Integers) -> tuple[bytes, _Integers, _Integers, _Integers]:
    """Return the leaves, their first voxels, and the bounding boxes of what is active in them."""
    origins, owners = _grouped(places, 8)
    count = len(origins)
    low, high = _boxes(owners, count, places, places)
    mask = _masks(owners, _number(places, 8, 1), count, 8)
    words, active = mask.view("<u8"), np.unpackbits(mask, axis=1).reshape(count, 8, 64).sum(axis=2)
    sums = np.cumsum(active, axis=1).astype(np.uint64)
    prefix = np.zeros(count, np.uint64)
    for place in range(7):
        prefix |= sums[:, place] << np.uint64(9 * place)
    leaf = np.zeros(
        count,
        np.dtype(
            [
                ("low", "<i4", 3),
                ("size", "u1", 3),
                ("flags", "u1"),
                ("mask", "<u8", 8),
                ("offset", "<u8"),
                ("prefix", "<u8"),
            ]
        ),
    )
    leaf["low"], leaf["size"], leaf["mask"], leaf["prefix"] = low, high - low, words, prefix
    leaf["offset"] = 1 + np.cumsum(sums[:, 7]) - sums[:, 7]  # 0 is the background's
    return leaf.tobytes(), origins, low, high


def _internal(
    side: int, step: int, children: _Integers, boxes: tuple[_Integers, _Integers], child_bytes: int
) -> tuple[bytes, _Integers, tuple[_Integers, _Integers]]:
    """Return the nodes of one level: as bytes, their first voxels, and their bounding boxes.

    All children stand behind all nodes of the level, in their order.
    """
    origins, owners = _grouped(children, side * step)
    count = len(origins)
    numbers = _number(children, side, step)
    low, high = _boxes(owners, count, *boxes)
    node = np.zeros(
        count,
        np.dtype([
            ("low", "<i4", 3), ("high", "<i4", 3), ("flags", "<u8"), ("values", "u1", side**3 // 8),
            ("children", "u1", side**3 // 8), ("statistics", "<u8", 4), ("table", "<i8", side**3),
        ]),
    )  # fmt: skip
    node["low"], node["high"] = low, high
    node["children"] = _masks(owners, numbers, count, side)
    behind = count * node.dtype.itemsize
    node["table"][owners, numbers] = behind + np.arange(len(children)) * child_bytes - owners * node.dtype.itemsize
    return node.tobytes(), origins, (low, high)


def index_grid(places: _Integers, name: str, voxel_size: tuple[float, float, float]) -> bytes:
    """Return a grid whose active voxels are the given ones.

    Args:
        places: int64 (n, 3) as x, y, z, each once, at least one.
        name: name of the grid; at most 255 bytes.
        voxel_size: size of a voxel along x, y, z.

    Raises:
        BadRequest: the name is too long, or there are more than `MOST_VOXELS`.
    """
    if len(name.encode()) >= _NAME_BYTES:
        raise BadRequest(f"the name of a grid has at most {_NAME_BYTES - 1} bytes")
    leaves, leaf_at, *leaf_boxes = _leaves(places)
    lower, lower_at, lower_boxes = _internal(16, 8, leaf_at, (leaf_boxes[0], leaf_boxes[1]), _LEAF)
    upper, upper_at, (low, high) = _internal(32, 128, lower_at, lower_boxes, _LOWER)
    tiles = len(upper_at)
    root_bytes = _ROOT + _TILE * tiles
    box = *low.min(axis=0).tolist(), *high.max(axis=0).tolist()
    root = struct.pack("<6iI4x5Q24x", *box, tiles, 0, 0, 0, 0, 0)
    tile_keys = _tile_keys(upper_at)
    for number in np.argsort(tile_keys).tolist():
        root += struct.pack("<QqI4xQ", int(tile_keys[number]), root_bytes + number * _UPPER, 0, 0)
    first = _TREE + root_bytes
    offsets = first + len(upper) + len(lower), first + len(upper), first, _TREE
    counts = len(leaves) // _LEAF, len(lower) // _LOWER, tiles
    tree = struct.pack("<4q3I3IQ", *offsets, *counts, 0, 0, 0, len(places))
    size = _GRID + len(tree) + len(root) + len(upper) + len(lower) + len(leaves)
    return b"".join((_head(size, name, voxel_size, box, len(places)), tree, root, upper, lower, leaves))


def _tile_keys(origins: _Integers) -> Labels:
    """Return the keys of upper nodes in the root's table: three numbers of 21 bits, of which z's is the lowest."""
    x, y, z = (origins.astype(np.int32).view(np.uint32) >> 12).astype(np.uint64).T
    keys: Labels = z | y << np.uint64(21) | x << np.uint64(42)
    return keys


def _head(size: int, name: str, voxel_size: tuple[float, float, float], box: tuple[int, ...], active: int) -> bytes:
    scale = [float(n) if i == j else 0.0 for i, n in enumerate(voxel_size) for j in range(3)]
    back = [1 / n if n else 0.0 for n in scale]
    numbers = [*scale, *back, 0.0, 0.0, 0.0, 1.0]
    world = [n * step for n, step in zip(box[:3], voxel_size, strict=True)]
    world += [(n + 1) * step for n, step in zip(box[3:], voxel_size, strict=True)]
    return b"".join(
        (
            _MAGIC,
            struct.pack("<QIIIIQ256s", 0, _VERSION, _FLAGS, 0, 1, size, name.encode()),
            struct.pack("<22f22d", *numbers, *numbers),
            struct.pack("<6d3d", *world, *voxel_size),
            struct.pack("<IIqIIQQ", _INDEX_GRID, _ON_INDEX, 0, 0, 0, active, 0),
        )
    )


def voxels_of_runs(pieces: Iterable[NDArray[np.int32]]) -> _Integers:
    """Return the voxels of runs, int32 (m, 4) each piece, as int64 (n, 3) as x, y, z.

    Raises:
        BadRequest: they are more than `MOST_VOXELS`.
    """
    runs = np.concatenate([np.zeros((0, 4), np.int32), *pieces])
    lengths = runs[:, 3].astype(np.int64)
    total = int(lengths.sum())
    if total > MOST_VOXELS:
        raise BadRequest(
            f"a grid has at most {MOST_VOXELS} voxels, and this would have {total}: ask for a higher scale"
        )
    places = np.repeat(runs[:, :3].astype(np.int64), lengths, axis=0)
    places[:, 0] += np.arange(total) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    return places

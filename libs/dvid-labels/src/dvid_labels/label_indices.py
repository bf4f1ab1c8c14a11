"""Label indices as columns: which supervoxels of a body lie in which blocks, and how many voxels of each."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dvid_labels.errors import LabelFormatError
from dvid_labels.types import Labels

__all__ = ["LabelIndices", "check_indices", "pack_blocks", "unpack_blocks"]

_BITS = 21
_SIGN = 1 << 20
_MAGNITUDE = _SIGN - 1


@dataclass(frozen=True, slots=True)
class LabelIndices:
    """Indices of some labels, their rows one behind the other.

    Attributes:
        labels: label of each index, uint64 (k,).
        firsts: where each one's rows begin, and at last their number, int64 (k + 1,).
        coordinates: block of each row, int32 (n, 3) as x, y, z.
        supervoxels: supervoxel of each row, uint64 (n,).
        counts: its voxels in that block, uint32 (n,).
        surface_mutids: mutation that last changed the surface in that block, uint64 (n,); the same in all rows of a
            block.
        last_mutids: last mutation of each index, uint64 (k,).
        last_mod_times: its time (RFC 3339), k texts.
        last_mod_users: who made it, k texts.
        last_mod_apps: with what program, k texts.
    """

    labels: Labels
    firsts: NDArray[np.int64]
    coordinates: NDArray[np.int32]
    supervoxels: Labels
    counts: NDArray[np.uint32]
    surface_mutids: Labels
    last_mutids: Labels
    last_mod_times: Sequence[str]
    last_mod_users: Sequence[str]
    last_mod_apps: Sequence[str]

    def __len__(self) -> int:
        return len(self.labels)

    def rows(self, index: int) -> slice:
        """Where the rows of an index are in the columns of rows."""
        return slice(int(self.firsts[index]), int(self.firsts[index + 1]))


def pack_blocks(coordinates: ArrayLike) -> Labels:
    """Pack block coordinates as the keys of a label index: 21 bits each, sign and magnitude, z in the highest.

    Args:
        coordinates: integers (n, 3) as x, y, z.

    Returns:
        uint64 (n,).

    Raises:
        ValueError: a coordinate's magnitude is 2^20 or more.
    """
    places = np.asarray(coordinates, np.int64).reshape(-1, 3)
    if (np.abs(places) > _MAGNITUDE).any():
        raise ValueError("a block coordinate is out of range of a label index")
    x, y, z = (np.abs(places) | (places < 0).astype(np.int64) << (_BITS - 1)).T
    packed: Labels = (z << 2 * _BITS | y << _BITS | x).astype(np.uint64)
    return packed


def unpack_blocks(keys: Labels) -> NDArray[np.int32]:
    """Block coordinates out of the keys of a label index.

    Args:
        keys: uint64 (n,).

    Returns:
        int32 (n, 3) as x, y, z.

    Raises:
        LabelFormatError: a key has the 64th bit, which no coordinate needs.
    """
    packed = np.asarray(keys, np.uint64)
    if (packed >> np.uint64(3 * _BITS)).any():
        raise LabelFormatError("a key of a label index is no block coordinate")
    parts = packed.astype(np.int64)[:, None] >> np.array([0, _BITS, 2 * _BITS])
    magnitude = parts & _MAGNITUDE
    places: NDArray[np.int32] = np.where(parts & _SIGN, -magnitude, magnitude).astype(np.int32)
    return places


def check_indices(indices: LabelIndices) -> tuple[LabelIndices, Labels]:
    """Check that columns are parallel; put the rows of each index in order of z, y, x of the block, then supervoxel.

    Returns:
        The same indices, contiguous and in order, and the packed block coordinate of each row, uint64 (n,).

    Raises:
        ValueError: columns are not parallel, a coordinate is out of range, or a supervoxel is twice in a block.
    """
    labels, last_mutids = (np.require(c, np.uint64, ["C", "A"]) for c in (indices.labels, indices.last_mutids))
    firsts = np.require(indices.firsts, np.int64, ["C", "A"])
    supervoxels, surface = (np.require(c, np.uint64, ["C", "A"]) for c in (indices.supervoxels, indices.surface_mutids))
    counts = np.require(indices.counts, np.uint32, ["C", "A"])
    coordinates = np.ascontiguousarray(indices.coordinates, np.int32).reshape(-1, 3)
    texts = (indices.last_mod_times, indices.last_mod_users, indices.last_mod_apps)
    rows = (len(coordinates),)
    if any(column.shape != rows for column in (supervoxels, surface, counts)):
        raise ValueError("the columns of the rows differ in length")
    if any(len(column) != len(labels) for column in (last_mutids, *texts)) or firsts.shape != (len(labels) + 1,):
        raise ValueError("the columns of the indices differ in length")
    if firsts[0] != 0 or firsts[-1] != rows[0] or (firsts[1:] < firsts[:-1]).any():
        raise ValueError("the firsts do not cut the rows into indices")
    keys = pack_blocks(coordinates)
    order = _order_of(coordinates, supervoxels, firsts)
    if order is not None:
        keys, coordinates = keys[order], coordinates[order]
        supervoxels, counts, surface = supervoxels[order], counts[order], surface[order]
    return LabelIndices(labels, firsts, coordinates, supervoxels, counts, surface, last_mutids, *texts), keys


def _order_of(
    coordinates: NDArray[np.int32], supervoxels: Labels, firsts: NDArray[np.int64]
) -> NDArray[np.int64] | None:
    """The order of the rows, None if they are in order."""
    x, y, z = (coordinates.astype(np.int64) + _SIGN).T
    place = z << 2 * _BITS | y << _BITS | x
    if _ascending(place, supervoxels, firsts):
        return None
    owner = np.repeat(np.arange(len(firsts) - 1), np.diff(firsts))
    order = np.lexsort((supervoxels, place, owner))
    if not _ascending(place[order], supervoxels[order], firsts):
        raise ValueError("a supervoxel is twice in a block")
    return order


def _ascending(place: NDArray[np.int64], supervoxels: Labels, firsts: NDArray[np.int64]) -> bool:
    steps = (place[1:] > place[:-1]) | ((place[1:] == place[:-1]) & (supervoxels[1:] > supervoxels[:-1]))
    # From one index to the next any step will do.
    seams = firsts[1:-1]
    steps[seams[(seams > 0) & (seams < len(place))] - 1] = True
    return bool(steps.all())

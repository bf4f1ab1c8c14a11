"""Writes of voxels that wait for the same turn, stored as one: bodies and lower blocks that they share change once.

What is visible afterwards is what it would be if they had been stored one behind the other, and each leaves a record of
its own. A group that can't be stored is stored write by write, so that none fails for the sake of another.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from dvid_labels.types import Labels
from numpy.typing import NDArray

from dvid_framework.api import DvidError, Txn, VersionRecord
from dvid_labelmap.ops.ingest import BlockWrite, store_voxels

if TYPE_CHECKING:
    from dvid_labelmap.instance import LabelMapInstance

__all__ = ["VoxelWrite", "joined_write", "next_group", "store_together"]

_MOST_BYTES = 32 << 20  # of the blocks of a group, as they are stored: no unit, and no wait, gets much longer by it
_MOST_WRITES = 64


@dataclass(slots=True, eq=False)
class VoxelWrite:
    """A request's write of voxels.

    Attributes:
        begin: begins its transaction; its argument is for how many seconds it may wait for a commit of the version.
        write: the blocks.
        downres: whether to make the lower resolutions.
        indexing: whether the indices of bodies follow.
        error: why it could not be stored, once that is known.
    """

    begin: Callable[[float | None], Txn]
    write: BlockWrite
    downres: bool
    indexing: bool = True
    error: BaseException | None = None

    @property
    def stored_bytes(self) -> int:
        """Bytes of its blocks."""
        return sum(map(len, self.write.payloads))


def next_group(waiting: Sequence[VoxelWrite]) -> int:
    """Return how many of the writes that wait longest are stored together: those of one kind, within bounds."""
    first, total = waiting[0], 0
    for count, write in enumerate(waiting):
        total += write.stored_bytes
        alike = (write.downres, write.indexing) == (first.downres, first.indexing)
        if count and (not alike or total > _MOST_BYTES or count == _MOST_WRITES):
            return count
    return len(waiting)


def store_together(instance: LabelMapInstance, version: VersionRecord, writes: Sequence[VoxelWrite]) -> None:
    """Store writes, as if one behind the other; each is told what became of it.

    Args:
        instance: the instance.
        version: the version.
        writes: of one kind; see `next_group`.
    """
    for write in _store_as_one(instance, version, writes) if len(writes) > 1 else writes:
        try:
            with write.begin(None) as txn:
                store_voxels(
                    instance, version, [txn], [write.write], write.write, downres=write.downres, indexing=write.indexing
                )
        except BaseException as error:  # noqa: BLE001 - it is this request's alone, whatever it is
            write.error = error


def _store_as_one(
    instance: LabelMapInstance, version: VersionRecord, writes: Sequence[VoxelWrite]
) -> Sequence[VoxelWrite]:
    """Store writes as one unit; returns those that must be stored one by one instead."""
    begun: list[Txn] = []
    left: list[VoxelWrite] = []
    try:
        with ExitStack() as stack:
            group: list[VoxelWrite] = []
            for write in writes:
                try:  # without waiting: a commit would wait in turn for those that have begun
                    begun.append(stack.enter_context(write.begin(0.0)))
                    group.append(write)
                except DvidError:
                    left.append(write)
            if group:
                parts = [write.write for write in group]
                kind = {"downres": group[0].downres, "indexing": group[0].indexing}
                store_voxels(instance, version, begun, parts, joined_write(parts), **kind)
    except DvidError:
        if any(txn.number for txn in begun):
            raise  # it is written: what failed came behind that
        return writes
    return left


def joined_write(writes: Sequence[BlockWrite]) -> BlockWrite:
    """Return several writes as one: of blocks for one place the last one counts."""
    coordinates = np.concatenate([write.coordinates for write in writes])
    payloads = [payload for write in writes for payload in write.payloads]
    extents = writes[0].extents
    for write in writes[1:]:
        extents = extents.grown(write.extents)
    counts = _joined_counts(writes)
    kept = sorted({place: row for row, place in enumerate(map(tuple, coordinates.tolist()))}.values())
    if len(kept) < len(payloads):
        coordinates, payloads = coordinates[kept], [payloads[row] for row in kept]
        counts = None if counts is None else _chosen_counts(counts, np.array(kept))
    return BlockWrite(coordinates, payloads, extents, max(write.largest for write in writes), counts)


_Counts = tuple[NDArray[np.int64], Labels, NDArray[np.uint32]]


def _joined_counts(writes: Sequence[BlockWrite]) -> _Counts | None:
    """Return the counts of all writes, with numbers of blocks among all; None if one was not counted."""
    counted = [write.counts for write in writes if write.counts is not None]
    if len(counted) < len(writes):
        return None
    sizes = np.array([len(write.payloads) for write in writes])
    firsts = np.cumsum(sizes) - sizes
    blocks = np.concatenate([blocks + first for (blocks, _, _), first in zip(counted, firsts.tolist(), strict=True)])
    return blocks, np.concatenate([labels for _, labels, _ in counted]), np.concatenate([n for _, _, n in counted])


def _chosen_counts(counts: _Counts, kept: NDArray[np.int64]) -> _Counts:
    """Return the counts of some blocks, int64 (n,) ascending, with numbers among these."""
    blocks, labels, voxels = counts
    chosen = np.isin(blocks, kept)
    return np.searchsorted(kept, blocks[chosen]), labels[chosen], voxels[chosen]

"""Blocks of supervoxels that are split or joined: their voxels, and the lower resolutions that follow."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import NamedTuple

import numpy as np
from dvid_labels import kernels
from dvid_labels.compression import gzip_bytes
from dvid_labels.parallel import each
from dvid_labels.types import Buffer, Labels

from dvid_framework.api import View
from dvid_labelmap.ops.body_commits import BodyChange
from dvid_labelmap.ops.bounds import THREADS, stored_blocks
from dvid_labelmap.ops.downsample import Changed, lower_scales
from dvid_labelmap.ops.index_rows import Integers
from dvid_labelmap.ops.indexing import stored_payloads
from dvid_labelmap.ops.ingest import put_blocks
from dvid_labelmap.ops.split_runs import BlockRuns

__all__ = ["Parts", "SplitVoxels", "coarse_blocks", "split_voxels", "write_split"]

_WORTH_THREADS = 32  # blocks from which it pays to gzip them in threads


class Parts(NamedTuple):
    """What supervoxels become: uint64 (k,) each, `source` ascending."""

    source: Labels
    inside: Labels
    outside: Labels


class SplitVoxels(NamedTuple):
    """Blocks whose supervoxels were split.

    Attributes:
        coordinates: block coordinates, int64 (n, 3) as x, y, z.
        made: the blocks, not gzipped.
        blocks: number of the block, int64 (r,), sorted.
        labels: the supervoxel that voxels had, uint64 (r,).
        voxels: how many of them lay in the runs, int64 (r,).
        changed: which parts of the blocks have voxels with other labels now.
    """

    coordinates: Integers
    made: list[bytes]
    blocks: Integers
    labels: Labels
    voxels: Integers
    changed: Changed


def coarse_blocks(change: BodyChange, coordinates: Integers) -> Integers:
    """Return the blocks (x, y, z) of the lowest resolution above blocks: who holds their turns may write all scales."""
    coarse: Integers = np.unique(coordinates >> change.instance.settings.max_downres_level, axis=0)
    return coarse


def split_voxels(view: View, change: BodyChange, coordinates: Integers, cut: BlockRuns, parts: Parts) -> SplitVoxels:
    """Give the voxels of supervoxels in some blocks other labels, without storing them.

    Args:
        view: the version.
        change: the change that wants it.
        coordinates: block coordinates, int64 (n, 3) as x, y, z, each once; those that are not stored are left out.
        cut: the runs; those in other blocks are passed over.
        parts: what supervoxels become.

    Raises:
        CorruptValue: a stored block is damaged.
    """
    found = stored_payloads(view, coordinates)
    there = np.array([payload is not None for payload in found], bool)
    coordinates = coordinates[there]
    payloads: list[Buffer] = [payload for payload in found if payload is not None]
    runs, starts = _runs_of(coordinates, cut)
    with stored_blocks(0, coordinates):  # type: ignore[arg-type]  # rows of the array do as triples
        made = kernels.split_blocks(payloads, (runs, starts), change.instance.settings.block_size, parts, THREADS)
    return SplitVoxels(coordinates, *made)


def _runs_of(coordinates: Integers, cut: BlockRuns) -> tuple[Integers, Integers]:
    """Return the runs of the given blocks, block after block, and where those of each begin."""
    places = {tuple(block): number for number, block in enumerate(cut.coordinates.tolist())}
    numbers = [places.get(tuple(block), -1) for block in coordinates.tolist()]
    rows = [np.arange(cut.starts[number], cut.starts[number + 1]) if number >= 0 else _NONE for number in numbers]
    starts = np.append(0, np.cumsum([len(row) for row in rows])).astype(np.int64)
    return cut.runs[np.concatenate([_NONE, *rows])], starts


_NONE = np.zeros(0, np.int64)


def write_split(
    view: View,
    change: BodyChange,
    coordinates: Integers,
    made: Sequence[Buffer],
    changed: Changed,
    *,
    downres: bool = True,
) -> None:
    """Add blocks of scale 0 to the transaction, and the lower resolutions that follow from what changed in them.

    Args:
        view: the version.
        change: the change.
        coordinates: block coordinates, int64 (n, 3) as x, y, z.
        made: the blocks, not gzipped.
        changed: which parts of them have voxels with other labels now.
        downres: whether the lower resolutions follow.

    Raises:
        CorruptValue: a stored low block is damaged.
    """
    if not len(coordinates):
        return
    settings = change.instance.settings
    levels = settings.max_downres_level if downres else 0
    lower = lower_scales(view, coordinates, made, settings.block_size, levels, changed)
    scales = [(0, coordinates, made), *lower]
    blocks = [block for _, _, plain in scales for block in plain]
    payloads = iter(each(gzip_bytes, blocks, THREADS if len(blocks) >= _WORTH_THREADS else 1))
    for scale, low, plain in scales:
        put_blocks(change.txn, scale, low, list(islice(payloads, len(plain))))

"""Splits of bodies by whole blocks, as the older types have them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from dvid_framework.api import BadRequest
from dvid_labelmap.ops.body_commits import BodyChange
from dvid_labelmap.ops.body_index import read_index
from dvid_labelmap.ops.body_splitting import split_body
from dvid_labelmap.ops.bounds import MOST_BLOCKS
from dvid_labelmap.ops.index_rows import Integers
from dvid_labelmap.ops.points import BlockSource
from dvid_labelmap.ops.renumbering import renumber_body
from dvid_labelmap.ops.sparse import SparseRead
from dvid_labelmap.ops.split_runs import count_voxels

__all__ = ["split_blocks"]


def split_blocks(change: BodyChange, body: int, runs: NDArray[np.int32], wanted: int = 0) -> int:
    """Split off what a body has in some blocks, and commit; returns the label of the new body.

    Args:
        change: the change.
        body: the body.
        runs: the blocks, int32 (n, 4) as block coordinate x, y, z and number of blocks along x. If they hold all of
            the body, all of it gets the new label.
        wanted: the label that the new body shall have; 0 for one that the counters give.

    Raises:
        BadRequest: there is no such body, it is in none of the blocks, or there is a body of the wanted label.
        Unavailable: the bodies of the instance are still being indexed.
    """
    instance, version, _, _ = change
    instance.check_indexed()
    blocks = _blocks_of_runs(runs)
    with instance.view(version) as view:
        index = read_index(view, body)
        if index is None:
            raise BadRequest(f"there is no body {body} at this version")
        read = SparseRead.of(BlockSource(view, instance.settings.block_size, 0), body, index, None)
        inside = _is_among(read.blocks, blocks)
        if not inside.any():
            raise BadRequest(f"body {body} is in none of the blocks")
        voxels = np.zeros((0, 4), np.int32)
        if not inside.all():
            voxels = np.concatenate([voxels, *replace(read, blocks=read.blocks[inside]).runs()])
    if inside.all():
        label = wanted or instance.counters.take(1)
        renumber_body(change, label, body, given=not wanted)
        return label
    return split_body(change, body, voxels, wanted)


def _blocks_of_runs(runs: NDArray[np.int32]) -> Integers:
    """Return the blocks of runs, int64 (m, 3) as x, y, z."""
    if count_voxels(runs) > MOST_BLOCKS:
        raise BadRequest(f"at most {MOST_BLOCKS} blocks can be split off at once")
    lengths = runs[:, 3].astype(np.int64)
    found = np.repeat(runs[:, :3].astype(np.int64), lengths, axis=0)
    found[:, 0] += np.arange(len(found)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    return found


def _is_among(blocks: Integers, others: Integers) -> NDArray[np.bool_]:
    """Tell which blocks are among others, bool (n,)."""
    _, number = np.unique(np.concatenate((blocks, others)), axis=0, return_inverse=True)
    number = number.ravel()
    return np.isin(number[: len(blocks)], number[len(blocks) :])

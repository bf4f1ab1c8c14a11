"""Where a volume holds something: the blocks that have a voxel of another value than the background's."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from itertools import islice

import msgspec
import numpy as np
from dvid_voxels import kernels
from numpy.typing import NDArray

from dvid_framework.api import BadRequest
from dvid_imageblk.keys import block_bounds, block_coordinate
from dvid_imageblk.ops.bounds import THREADS, stored_blocks
from dvid_imageblk.ops.stored_read import StoredRead

__all__ = ["foreground_runs", "parse_values"]

_BATCH_BYTES = 16 << 20
_MOST_BATCH = 4096
_encode = msgspec.json.Encoder().encode


def parse_values(text: str) -> frozenset[int]:
    """Parse values of bytes, such as `0,255`.

    Raises:
        BadRequest: they are none, or not such.
    """
    words = text.split(",", 256)
    if any(not (word.isascii() and word.isdigit() and len(word) <= 3 and int(word) <= 255) for word in words):
        raise BadRequest(f"background= must be values from 0 to 255 joined by commas, and not {text[:40]!r}")
    return frozenset(int(word) for word in words)


def foreground_runs(read: StoredRead, background: Collection[int]) -> Iterator[bytes]:
    """Yield in pieces the JSON of the blocks that have a voxel of another value: `[[z,y,x0,x1],...]`, sorted.

    Args:
        read: a volume whose voxels are bytes.
        background: the values that do not count.

    Raises:
        CorruptValue: a stored block is damaged.
    """
    counts = np.ones(256, bool)
    counts[list(background)] = False
    begun = False
    for runs in _joined(_runs(blocks) for blocks in _blocks_with(read, counts)):
        yield (b"," if begun else b"[") + _encode(runs.tolist())[1:-1]
        begun = True
    yield b"]" if begun else b"[]"


def _blocks_with(read: StoredRead, counts: NDArray[np.bool_]) -> Iterator[NDArray[np.int64]]:
    """Yield coordinates (n, 3) as z, y, x of the blocks that have a voxel that counts, sorted, some at a time."""
    stored = read.view.scan(*block_bounds()[0])
    size = max(1, min(_MOST_BATCH, _BATCH_BYTES // read.block_bytes))
    while batch := list(islice(stored, size)):
        places = [block_coordinate(key)[1] for key, _ in batch]
        with stored_blocks(0, places):
            voxels = kernels.decode_blocks([value for _, value in batch], read.form.codec, read.block_bytes, THREADS)
        found = [
            place[::-1]
            for place, block in zip(places, voxels, strict=True)
            if counts[np.frombuffer(block, np.uint8)].any()
        ]
        if found:
            yield np.array(found, np.int64)


def _runs(blocks: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the runs (n, 4) as z, y, x0, x1 of sorted blocks."""
    begins = np.ones(len(blocks), bool)
    begins[1:] = (np.diff(blocks, axis=0) != (0, 0, 1)).any(axis=1)
    firsts = np.flatnonzero(begins)
    lasts = np.append(firsts[1:], len(blocks)) - 1
    return np.column_stack((blocks[firsts], blocks[lasts, 2]))


def _joined(parts: Iterable[NDArray[np.int64]]) -> Iterator[NDArray[np.int64]]:
    """Join the runs where one part ends and the next goes on."""
    last = np.empty((0, 4), np.int64)
    for part in parts:
        goes_on = len(last) and (part[0, :2] == last[0, :2]).all() and part[0, 2] == last[0, 3] + 1
        if goes_on:
            part[0, 2] = last[0, 2]
        runs = part if goes_on else np.concatenate((last, part))
        if len(runs) > 1:
            yield runs[:-1]
        last = runs[-1:]
    if len(last):
        yield last

"""Stored keys. A block stands in them as z, y, x, big-endian int32 with the sign flipped, so that they sort by it.

b  block                   the elements of a block: the truth
o  cell                    the labels in whose lists elements of a cell stand
t  length  tag  cell       the elements of a cell that have a tag
l  label   cell            the elements of a cell in the list of a label, uint64 big-endian
s                          present where blocks or lists were posted as such, and not reloaded since

A cell is 8 blocks along each axis, and is written as a block is. Synapses are so sparse that a block has few of a body,
and rows of few elements are slow to read; a change rewrites the rows of its cells.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np

from dvid_annotation.model import Coordinates

__all__ = [
    "BLOCK",
    "BLOCK_BYTES",
    "CELL_BLOCKS",
    "LABEL",
    "OWNERS",
    "STALE",
    "TAG",
    "after",
    "block_coordinates",
    "block_keys",
    "cell_keys",
    "label_of",
    "label_prefix",
    "tag_of",
    "tag_prefix",
]

Triple: TypeAlias = tuple[int, int, int]
BLOCK, OWNERS, TAG, LABEL, STALE = b"b", b"o", b"t", b"l", b"s"
BLOCK_BYTES = 12
CELL_BLOCKS = 8
"""Blocks of a cell along each axis."""
_SIGN = 1 << 31


def block_keys(blocks: Coordinates) -> list[bytes]:
    """Return the keys of blocks (x, y, z), without what stands before them."""
    packed = (blocks[:, ::-1] + _SIGN).astype(">u4").tobytes()
    return [packed[at : at + BLOCK_BYTES] for at in range(0, len(packed), BLOCK_BYTES)]


def cell_keys(blocks: Coordinates) -> list[bytes]:
    """Return the keys of the cells of blocks (x, y, z), without what stands before them."""
    return block_keys(blocks // CELL_BLOCKS)


def block_coordinates(keys: list[bytes]) -> Coordinates:
    """Return the blocks (x, y, z) that keys end with."""
    packed = b"".join(key[-BLOCK_BYTES:] for key in keys)
    return np.frombuffer(packed, ">u4").reshape(-1, 3)[:, ::-1].astype(np.int64) - _SIGN


def tag_prefix(tag: str) -> bytes:
    """Return what the keys of a tag begin with."""
    name = tag.encode("utf-8", "surrogateescape")
    return TAG + len(name).to_bytes(2, "big") + name


def tag_of(key: bytes) -> str:
    """Return the tag of a key."""
    return key[3:-BLOCK_BYTES].decode("utf-8", "surrogateescape")


def label_prefix(label: int) -> bytes:
    """Return what the keys of a label begin with."""
    return LABEL + label.to_bytes(8, "big")


def label_of(key: bytes) -> int:
    """Return the label of a key."""
    return int.from_bytes(key[1:9], "big")


def after(prefix: bytes) -> bytes:
    """Return the first key behind all that begin with a prefix and a block or cell."""
    return prefix + b"\xff" * (BLOCK_BYTES + 1)

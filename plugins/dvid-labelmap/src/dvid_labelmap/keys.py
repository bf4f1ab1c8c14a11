"""Type keys: blocks sort by scale, z, y, x; indices and summaries by body; mappings by the version that has them."""

from __future__ import annotations

from collections.abc import Callable
from struct import Struct

import numpy as np
from dvid_labels.types import Labels
from dvid_voxels.geometry import Triple

__all__ = [
    "COUNTERS",
    "EXTENTS",
    "INDEXED",
    "MAPPING_HEAD",
    "MAX_LABEL",
    "after_block_row",
    "block_bounds",
    "block_coordinate",
    "block_key",
    "body_of_summary",
    "chunk_bounds",
    "chunk_key",
    "chunk_of_key",
    "firsts_key",
    "former_mapping_bounds",
    "former_mapping_key",
    "manifest_key",
    "mapping_chunk_key",
    "place_of_former_mapping",
    "run_bounds",
    "split_bounds",
    "split_key",
    "split_of_key",
    "stray_key",
    "summary_bounds",
    "summary_key",
    "summary_keys",
]

_BLOCK, _CHUNK, _SUMMARY, _FORMER_MAPPING = 186, 187, 188, 189
_MANIFEST, _MAPPING_CHUNK, _FIRSTS = 200, 201, 202
_SHIFT = 1 << 31
_KEY = Struct(">BBIII")
_CHUNK_KEY = Struct(">BQIII")
_SUMMARY_KEY = Struct(">BQ")
_RUN_KEY = Struct(">BIII")
_SUMMARY_ROW = np.dtype([("type", ">u1"), ("body", ">u8")])
_SPLIT, _STRAY = 192, 193
_SPLIT_KEY = Struct(">BIQQ")
_VERSION_KEY = Struct(">BI")
_LARGEST = (1 << 64) - 1

MAX_LABEL = bytes((237,))
"""The largest label of a version: uint64, little-endian."""
COUNTERS = bytes((238,))
"""What all versions share: the largest label of the repo, and reserved labels (msgpack)."""
MAPPING_HEAD = bytes((190,))
"""How many times the mappings of any version were changed: uint64, little-endian, shared by all versions."""
INDEXED = bytes((191,))
"""Shared by all versions: bodies of an instance of an earlier stage are indexed by now."""
EXTENTS = bytes((242,))
"""The extents that a version has of its own (msgpack)."""


def block_key(scale: int, coordinate: Triple) -> bytes:
    """Return the key of a block: class, scale, then z, y, x as big-endian uint32 with 2^31 added.

    Args:
        scale: 0 to 255.
        coordinate: block coordinate (x, y, z), int32.
    """
    x, y, z = coordinate
    return _KEY.pack(_BLOCK, scale, z + _SHIFT, y + _SHIFT, x + _SHIFT)


def after_block_row(scale: int, coordinate: Triple) -> bytes:
    """Return the smallest key after a block's: where a scan that includes the block stops."""
    return block_key(scale, coordinate) + b"\x00"


def block_coordinate(key: bytes) -> tuple[int, Triple]:
    """Return the scale and the block coordinate (x, y, z) of a block's key."""
    _, scale, z, y, x = _KEY.unpack(key)
    return scale, (x - _SHIFT, y - _SHIFT, z - _SHIFT)


def block_bounds() -> tuple[bytes, bytes]:
    """Return (start, stop) of the keys of all blocks."""
    return bytes((_BLOCK,)), bytes((_BLOCK + 1,))


def chunk_key(body: int, chunk: Triple) -> bytes:
    """Return the key of a part of a body's index: class, body, then z, y, x of the chunk with 2^31 added.

    Args:
        body: the body.
        chunk: chunk coordinate (x, y, z): a block coordinate divided by 8, rounded down.
    """
    x, y, z = chunk
    return _CHUNK_KEY.pack(_CHUNK, body, z + _SHIFT, y + _SHIFT, x + _SHIFT)


def chunk_of_key(key: bytes) -> tuple[int, Triple]:
    """Return the body and the chunk coordinate (x, y, z) of a key."""
    _, body, z, y, x = _CHUNK_KEY.unpack(key)
    return body, (x - _SHIFT, y - _SHIFT, z - _SHIFT)


def chunk_bounds(body: int) -> tuple[bytes, bytes]:
    """Return (start, stop) of the keys of a body's index."""
    first = _SUMMARY_KEY.pack(_CHUNK, body)
    return first, bytes((_SUMMARY,)) if body == _LARGEST else _SUMMARY_KEY.pack(_CHUNK, body + 1)


def summary_key(body: int) -> bytes:
    """Return the key of what is known of a body as a whole."""
    return _SUMMARY_KEY.pack(_SUMMARY, body)


def summary_keys(bodies: Labels) -> list[bytes]:
    """Return the key of each of many bodies, uint64 (n,)."""
    rows = np.empty(len(bodies), _SUMMARY_ROW)
    rows["type"], rows["body"] = _SUMMARY, bodies
    whole, size = rows.tobytes(), _SUMMARY_KEY.size
    return [whole[at : at + size] for at in range(0, len(whole), size)]


def body_of_summary(key: bytes) -> int:
    """Return the body of a key of `summary_key`."""
    return int.from_bytes(key[1:], "big")


def summary_bounds(first: int = 0, last: int = _LARGEST) -> tuple[bytes, bytes]:
    """Return (start, stop) of the keys of the bodies from first to last, both included."""
    return summary_key(first), bytes((_FORMER_MAPPING,)) if last == _LARGEST else summary_key(last + 1)


def manifest_key(version: int) -> bytes:
    """Return the key of the list of the runs of mappings that a version has of its own, by the version's id."""
    return _VERSION_KEY.pack(_MANIFEST, version)


def mapping_chunk_key(version: int, slot: int, part: int) -> bytes:
    """Return the key of a chunk of a run of mappings.

    Args:
        version: id of the version that has the run of its own.
        slot: number of the place that the run takes.
        part: number of the chunk.
    """
    return _RUN_KEY.pack(_MAPPING_CHUNK, version, slot, part)


def firsts_key(version: int, slot: int, part: int) -> bytes:
    """Return the key of the first supervoxels of the chunks of a run from one on; see `mapping_chunk_key`."""
    return _RUN_KEY.pack(_FIRSTS, version, slot, part)


def run_bounds(key: Callable[[int, int, int], bytes], version: int, slot: int) -> tuple[bytes, bytes]:
    """Return (start, stop) of the keys that `key` makes for a run."""
    return key(version, slot, 0), key(version, slot + 1, 0)


def former_mapping_key(version: int, slot: int, part: int) -> bytes:
    """Return the key of a part of a run of mappings in the former stored form, in which runs had no list."""
    return _RUN_KEY.pack(_FORMER_MAPPING, version, slot, part)


def place_of_former_mapping(key: bytes) -> tuple[int, int]:
    """Return slot and part of a key of `former_mapping_key`."""
    _, _, slot, part = _RUN_KEY.unpack(key)
    return slot, part


def former_mapping_bounds(version: int) -> tuple[bytes, bytes]:
    """Return (start, stop) of the keys of the runs of the former stored form that a version has of its own."""
    return _VERSION_KEY.pack(_FORMER_MAPPING, version), _VERSION_KEY.pack(_FORMER_MAPPING, version + 1)


def split_key(version: int, mutation_id: int, supervoxel: int) -> bytes:
    """Return the key of what a supervoxel was split into, by the version and the mutation that split it."""
    return _SPLIT_KEY.pack(_SPLIT, version, mutation_id, supervoxel)


def split_of_key(key: bytes) -> tuple[int, int]:
    """Return the mutation id and the supervoxel of a key of `split_key`."""
    _, _, mutation_id, supervoxel = _SPLIT_KEY.unpack(key)
    return mutation_id, supervoxel


def split_bounds(version: int) -> tuple[bytes, bytes]:
    """Return (start, stop) of the keys of the splits of a version."""
    return _VERSION_KEY.pack(_SPLIT, version), _VERSION_KEY.pack(_SPLIT, version + 1)


def stray_key(label: int) -> bytes:
    """Return the key of a mark that voxels were written with a label that is in no body."""
    return _SUMMARY_KEY.pack(_STRAY, label)

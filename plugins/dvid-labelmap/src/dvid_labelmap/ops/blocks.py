"""Stored blocks: finding them, and sending them as a stream."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

import numpy as np
from dvid_labels import block_stream, kernels
from dvid_labels.types import Buffer
from dvid_voxels.geometry import Box, Triple

from dvid_framework.api import View
from dvid_labelmap.keys import after_block_row, block_coordinate, block_key
from dvid_labelmap.ops.bounds import THREADS, stored_blocks
from dvid_labelmap.ops.mapping import BodyMapping, kernel_mapping

__all__ = [
    "COMPRESSIONS",
    "blocks_in",
    "count_blocks",
    "listed_blocks",
    "payloads_of",
    "stream_pieces",
]

COMPRESSIONS = ("lz4", "gzip", "blocks", "uncompressed")
_SCAN_FROM = 3  # blocks of a row from which one scan is cheaper than single reads
_PIECE_BYTES = 8 << 20
_BATCH_BYTES = 32 << 20  # raw bytes that one kernel call transcodes
_BATCH_BLOCKS = 128
_HEADER_LABELS = 2  # a header of four int32 takes the room of two labels
_Found = tuple[Triple, memoryview]


def blocks_in(view: View, scale: int, blocks: Box) -> Iterator[_Found]:
    """Yield block coordinate (x, y, z) and payload of the blocks that exist, by z, y, x.

    Args:
        view: the version.
        scale: the scale.
        blocks: a box of block coordinates.
    """
    (x0, y0, z0), (x1, y1, z1) = blocks.offset, blocks.last
    for z in range(z0, z1 + 1):
        for y in range(y0, y1 + 1):
            if x1 - x0 + 1 < _SCAN_FROM:
                for x in range(x0, x1 + 1):
                    payload = view.get(block_key(scale, (x, y, z)))
                    if payload is not None:
                        yield (x, y, z), payload
                continue
            for key, payload in view.scan(block_key(scale, (x0, y, z)), after_block_row(scale, (x1, y, z))):
                yield block_coordinate(key)[1], payload


def payloads_of(view: View, scale: int, blocks: Box) -> list[memoryview | None]:
    """Return the payload of each block of a box of block coordinates, x fastest, then y, z; None where none is."""
    (x0, y0, z0), (width, height, _) = blocks.offset, blocks.size
    found: list[memoryview | None] = [None] * blocks.voxels
    for (x, y, z), payload in blocks_in(view, scale, blocks):
        found[((z - z0) * height + y - y0) * width + x - x0] = payload
    return found


def count_blocks(view: View, scale: int, blocks: Box) -> int:
    """Count the blocks of a box of block coordinates that exist, by their keys alone."""
    (x0, y0, z0), (x1, y1, z1) = blocks.offset, blocks.last
    rows = ((y, z) for z in range(z0, z1 + 1) for y in range(y0, y1 + 1))
    return sum(1 for y, z in rows for _ in view.keys(block_key(scale, (x0, y, z)), after_block_row(scale, (x1, y, z))))


def listed_blocks(view: View, scale: int, coordinates: Sequence[Triple]) -> Iterator[_Found]:
    """Yield those of the given blocks that exist, in the order given."""
    for coordinate in coordinates:
        payload = view.get(block_key(scale, coordinate))
        if payload is not None:
            yield coordinate, payload


def stream_pieces(
    found: Iterable[_Found], scale: int, block_size: Triple, compression: str, mapping: BodyMapping | None
) -> Iterator[Buffer]:
    """Yield a stream of blocks in pieces of a few megabytes.

    Args:
        found: the blocks.
        scale: their scale, for messages.
        block_size: voxels of a block (x, y, z).
        compression: one of COMPRESSIONS.
        mapping: see `body_mapping`.

    Raises:
        CorruptValue: a stored block is damaged.
    """
    x, y, z = block_size
    block_bytes = 8 * x * y * z
    if compression == "uncompressed":
        yield from _uncompressed_pieces(found, scale, block_size, mapping, max(1, _PIECE_BYTES // block_bytes))
        return
    batch = _BATCH_BLOCKS if compression == "blocks" else max(1, min(_BATCH_BLOCKS, _BATCH_BYTES // block_bytes))
    blocks = iter(found)
    while members := list(islice(blocks, batch)):
        coordinates = [coordinate for coordinate, _ in members]
        payloads = [payload for _, payload in members]
        with stored_blocks(scale, coordinates):
            made = kernels.transcode(
                payloads,
                block_size,
                compression,  # type: ignore[arg-type]  # checked by the route
                kernel_mapping(mapping, payloads),
                THREADS,
            )
        yield b"".join(block_stream(coordinates, made))


def _uncompressed_pieces(
    found: Iterable[_Found], scale: int, block_size: Triple, mapping: BodyMapping | None, batch: int
) -> Iterator[Buffer]:
    """Decode blocks straight to where they are sent from: labels behind each header, without a copy."""
    x, y, z = block_size
    labels = x * y * z
    blocks = iter(found)
    while members := list(islice(blocks, batch)):
        out = np.empty((len(members), _HEADER_LABELS + labels), np.uint64)
        table = kernel_mapping(mapping, [payload for _, payload in members])
        heads = out.view("<i4")
        for row, (coordinate, payload) in enumerate(members):
            heads[row, :4] = (*coordinate, 8 * labels)
            target = out[row, _HEADER_LABELS:].reshape(z, y, x)
            with stored_blocks(scale, [coordinate]):
                kernels.read_voxels([payload], [(0, 0, 0)], block_size, target, table, 1)
        yield out.data.cast("B")

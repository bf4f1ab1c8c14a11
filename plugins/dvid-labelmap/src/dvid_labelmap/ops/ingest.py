"""Writing blocks: checked whole, then stored with lower resolutions, extents and counters as one unit."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from dvid_labels import kernels, parse_block_stream
from dvid_labels.types import Buffer, Labels
from dvid_voxels.extents import Extents
from dvid_voxels.geometry import Box, Triple
from dvid_voxels.tiling import block_coordinates
from numpy.typing import NDArray

from dvid_framework.api import NONE, BadRequest, Txn, VersionRecord, View
from dvid_labelmap.keys import block_key
from dvid_labelmap.ops.bounds import MOST_BLOCKS, THREADS, bad_input
from dvid_labelmap.ops.downsample import LowerBlocks, lower_scales
from dvid_labelmap.ops.extents import write_extents
from dvid_labelmap.ops.indexing import index_blocks, stored_payloads

if TYPE_CHECKING:
    from dvid_labelmap.instance import LabelMapInstance

__all__ = [
    "BlockWrite",
    "blocks_of_pieces",
    "blocks_of_stream",
    "blocks_of_volume",
    "check_target",
    "put_blocks",
    "store_blocks",
    "store_voxels",
]


_MADE_BESIDE = 16  # blocks from which a thread for lower scales pays


@dataclass(frozen=True, slots=True)
class BlockWrite:
    """Blocks of one scale, checked and ready to be stored.

    Attributes:
        coordinates: block coordinates, int64 (n, 3) as x, y, z, each once.
        payloads: what is stored of each.
        extents: the voxels that are written.
        largest: the largest label among them.
        counts: number of the block, label, and voxels of each label in each block, if they were counted.
    """

    coordinates: NDArray[np.int64]
    payloads: Sequence[Buffer]
    extents: Extents
    largest: int
    counts: tuple[NDArray[np.int64], Labels, NDArray[np.uint32]] | None = None


def check_target(box: Box, block_size: Triple) -> None:
    """Check that a box can be written: whole blocks.

    Raises:
        BadRequest: it is not of whole blocks, or of too many.
    """
    if not box.is_aligned(block_size):
        raise BadRequest(f"size and offset must be multiples of the block size {block_size}")
    if box.blocks(block_size).voxels > MOST_BLOCKS:
        raise BadRequest(f"at most {MOST_BLOCKS} blocks can be written at once")


def blocks_of_stream(body: bytes, block_size: Triple, *, counting: bool = False) -> BlockWrite | None:
    """Read and check a stream of gzipped label blocks; of several for one place the last counts.

    Args:
        body: the stream.
        block_size: voxels that each block must have (x, y, z).
        counting: whether to count labels as well, for the indices of bodies.

    Returns:
        The blocks, or None if there are none.

    Raises:
        BadRequest: anything of it breaks a rule of the format.
    """
    with bad_input():
        found, payloads = parse_block_stream(body, MOST_BLOCKS)
        if not payloads:
            return None
        counts = None
        if counting:
            largest, counts = kernels.check_and_count(payloads, block_size, THREADS)
        else:
            largest = kernels.check_payloads(payloads, block_size, THREADS)
        coordinates = found.astype(np.int64)
        first, last = coordinates.min(axis=0), coordinates.max(axis=0)
        low, high = _corner(first, block_size), _corner(last + 1, block_size)
        box = Box.between(low, (high[0] - 1, high[1] - 1, high[2] - 1))
    places = {tuple(place): row for row, place in enumerate(coordinates.tolist())}
    rows = list(places.values())
    if len(rows) < len(payloads):
        coordinates, payloads, largest = coordinates[rows], [payloads[row] for row in rows], largest[rows]
        counts = None  # they are of other rows
    return BlockWrite(coordinates, payloads, Extents.of(box), int(largest.max()), counts)


def _corner(coordinate: NDArray[np.int64], block_size: Triple) -> Triple:
    x, y, z = (coordinate * np.array(block_size)).tolist()
    return x, y, z


def blocks_of_volume(
    labels: Labels, box: Box, block_size: Triple, inside: NDArray[np.bool_] | None = None
) -> BlockWrite | None:
    """Encode a volume of whole blocks.

    Args:
        labels: uint64 (z, y, x).
        box: where they are.
        block_size: voxels of a block (x, y, z).
        inside: bool (z, y, x) of the blocks, those to write; all without it.

    Returns:
        The blocks, or None if there are none.
    """
    return _write_of(kernels.write_blocks(labels, block_size, THREADS), int(labels.max()), box, block_size, inside)


def blocks_of_pieces(
    pieces: Sequence[Buffer], box: Box, block_size: Triple, inside: NDArray[np.bool_] | None = None
) -> BlockWrite | None:
    """Encode a volume of whole blocks as it came: in pieces, which are not put together.

    Args:
        pieces: its bytes: uint64, little-endian (z, y, x), one piece behind the other.
        box: where they are.
        block_size: voxels of a block (x, y, z).
        inside: bool (z, y, x) of the blocks, those to write; all without it.

    Returns:
        The blocks, or None if there are none.

    Raises:
        BadRequest: there are not as many bytes as the box has.
    """
    size = sum(map(len, pieces))
    if size != 8 * box.voxels:
        raise BadRequest(f"{box.size} labels are {8 * box.voxels} bytes, but the body has {size}")
    return _write_of(*kernels.write_pieces(pieces, box.size, block_size, THREADS), box, block_size, inside)


def _write_of(
    payloads: list[bytes], largest: int, box: Box, block_size: Triple, inside: NDArray[np.bool_] | None
) -> BlockWrite | None:
    """Return all blocks of a box, or those inside; None if there are none."""
    coordinates = block_coordinates(box, block_size)
    if inside is None:
        return BlockWrite(coordinates, payloads, Extents.of(box), largest)
    chosen = np.flatnonzero(inside.ravel())
    if not len(chosen):
        return None
    kept = [payloads[row] for row in chosen.tolist()]
    largest = int(kernels.check_payloads(kept, block_size, THREADS).max())
    return BlockWrite(coordinates[chosen], kept, Extents.of(box), largest)


def put_blocks(txn: Txn, scale: int, coordinates: NDArray[np.int64], payloads: Sequence[Buffer]) -> None:
    """Add blocks of a scale to a transaction: block coordinates, int64 (n, 3) as x, y, z, and payloads."""
    txn.put_many([block_key(scale, (x, y, z)) for x, y, z in coordinates.tolist()], payloads, NONE)


def _record(txn: Txn, action: str, scale: int, coordinates: NDArray[np.int64]) -> None:
    """Tell followers which blocks were written; the original logs no such writes."""
    txn.mark_internal()
    txn.emit(action, Scale=scale, Blocks=coordinates.astype("<i4").tobytes())


def store_voxels(
    instance: LabelMapInstance,
    version: VersionRecord,
    txns: Sequence[Txn],
    writes: Sequence[BlockWrite],
    joined: BlockWrite,
    *,
    downres: bool,
    indexing: bool = True,
) -> None:
    """Store blocks of scale 0 with all that follows from them, and commit: one write, or several as one unit.

    Args:
        instance: the instance.
        version: the version.
        txns: for each write a transaction of both.
        writes: the blocks.
        joined: those of all writes; of several for one place the last.
        downres: whether to make the lower resolutions.
        indexing: whether the indices of bodies follow.

    Raises:
        TooLarge: they are more than one mutation may have.
        CorruptValue: a stored low block that some of them lie in is damaged, or what is there before.
        Unavailable: the bodies of the instance are still being indexed.
    """
    number, last = instance.number_of(version), txns[-1]
    instance.check_writable()
    instance.check_indexed()
    with instance.turn(number), instance.view(version) as view:
        for txn, write in zip(txns, writes, strict=True):
            put_blocks(txn, 0, write.coordinates, write.payloads)
            _record(txn, "blocks", 0, write.coordinates)
            _ = txn.mutation_id  # every write of voxels takes one
        with ExitStack() as stack:
            lower = _lower_blocks(instance, view, joined, stack) if downres else list
            if indexing and instance.settings.indexed_labels:
                former = stored_payloads(view, joined.coordinates)
                index_blocks(instance, view, last, joined.coordinates, joined.payloads, [former], joined.counts)
            for scale, coordinates, payloads in lower():
                put_blocks(last, scale, coordinates, payloads)
        own = instance.own_extents(number)
        grown = joined.extents if own is None else own.grown(joined.extents)
        if grown != own:
            write_extents(last, grown)
        with instance.counters.lock:
            if joined.largest:
                instance.counters.raise_to(last, number, joined.largest, instance.members(version))
            last.commit_behind(txns[:-1])


def _lower_blocks(
    instance: LabelMapInstance, view: View, write: BlockWrite, stack: ExitStack
) -> Callable[[], Iterable[LowerBlocks]]:
    """Return what gives the blocks of lower scales: of a large write they are made in a thread in the meantime.

    Args:
        instance: the instance.
        view: the version before the write.
        write: the blocks of scale 0.
        stack: what waits for the thread.
    """
    levels, size = instance.settings.max_downres_level, instance.settings.block_size
    found = lower_scales(view, write.coordinates, write.payloads, size, levels)
    if len(write.payloads) < _MADE_BESIDE:
        return lambda: found
    beside = stack.enter_context(ThreadPoolExecutor(1))
    return beside.submit(list, found).result


def store_blocks(
    instance: LabelMapInstance, version: VersionRecord, txn: Txn, write: BlockWrite, *, scale: int, numbered: bool
) -> None:
    """Store blocks of one scale and nothing else, and commit.

    Args:
        instance: the instance.
        version: the version.
        txn: a transaction of both.
        write: the blocks.
        scale: their scale.
        numbered: whether the write takes a mutation id.

    Raises:
        TooLarge: they are more than one mutation may have.
    """
    instance.check_writable()
    with instance.turn(instance.number_of(version)):
        put_blocks(txn, scale, write.coordinates, write.payloads)
        _record(txn, "ingest-blocks", scale, write.coordinates)
        if numbered:
            _ = txn.mutation_id
        txn.commit()

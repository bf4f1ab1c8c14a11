"""Kernels over whole requests, in numpy: what each one means, and what runs where dvid-kernels is not installed.

A *payload* is the gzip of a label block. `threads` is taken for the sake of the native twin, and checked, but not used.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from dvid_voxels.downsample import downsample_labels
from numpy.typing import ArrayLike, NDArray

from dvid_labels import block_codec
from dvid_labels.arguments import (
    Region,
    check_changed,
    check_octants,
    check_origins,
    check_out,
    check_points,
    check_region,
    check_threads,
)
from dvid_labels.block_cache import BlockCache
from dvid_labels.block_codec import (
    block_table,
    check_block,
    decode_block,
    encode_block,
    open_payload,
    relabel_block,
)
from dvid_labels.compression import gunzip, gzip_bytes, lz4_block
from dvid_labels.errors import LabelFormatError
from dvid_labels.layout import BITS_FOR, SIDE, Layout, check_shape, largest_block, parse
from dvid_labels.mapping import check_mapping, map_labels
from dvid_labels.numpy_bodies import body_binary_blocks, body_runs
from dvid_labels.numpy_counts import count_changes, label_counts
from dvid_labels.numpy_mapping import decode_mapping, encode_mapping, find_mapping, sort_mapping
from dvid_labels.numpy_messages import (
    decode_indices,
    decode_mapping_ops,
    encode_mapping_ops,
    index_messages,
    read_indices,
)
from dvid_labels.numpy_points import group_points, json_numbers, labels_kept
from dvid_labels.numpy_proofreading import cleave_record, merge_records, record_share
from dvid_labels.numpy_record_changes import change_records
from dvid_labels.numpy_records import (
    encode_chunks,
    record_blocks,
    record_coarse_rles,
    record_message,
    record_messages,
    record_supervoxel_sizes,
    stored_sizes,
)
from dvid_labels.numpy_splitting import split_blocks
from dvid_labels.numpy_writing import write_blocks, write_pieces
from dvid_labels.segmentation import encode_segmentation
from dvid_labels.types import Buffer, Labels, Mapping, Payloads, Shape

__all__ = [
    "BlockCache",
    "block_table",
    "body_binary_blocks",
    "body_runs",
    "change_records",
    "check_and_count",
    "check_block",
    "check_payloads",
    "cleave_record",
    "count_changes",
    "decode_block",
    "decode_indices",
    "decode_mapping",
    "decode_mapping_ops",
    "downsample_blocks",
    "encode_block",
    "encode_chunks",
    "encode_mapping",
    "encode_mapping_ops",
    "encode_segmentation",
    "find_mapping",
    "group_points",
    "index_messages",
    "json_numbers",
    "label_counts",
    "labels_at",
    "labels_kept",
    "merge_records",
    "read_indices",
    "read_voxels",
    "record_blocks",
    "record_coarse_rles",
    "record_message",
    "record_messages",
    "record_share",
    "record_supervoxel_sizes",
    "relabel_block",
    "sort_mapping",
    "split_blocks",
    "stored_sizes",
    "transcode",
    "write_blocks",
    "write_pieces",
]

Compression = Literal["lz4", "gzip", "uncompressed", "blocks"]


def _decode(payload: Buffer, block_shape: Shape, index: int, mapping: Mapping | None = None) -> Labels:
    try:
        return block_codec.decode_layout(open_payload(payload, block_shape), mapping)
    except LabelFormatError as error:
        raise error.in_payload(index) from None


def read_voxels(
    payloads: Payloads,
    origins: ArrayLike,
    block_shape: Shape,
    out: Labels,
    mapping: Mapping | None = None,
    threads: int = 2,
    region: Region | None = None,
) -> None:
    """Write every voxel of `out` that lies within one of the blocks; the others keep what they were.

    Args:
        payloads: the blocks; None is a block of zeros.
        origins: first voxel of each block relative to the first of `out`, integers (n, 3) as x, y, z; may be negative.
        block_shape: voxels of each block (x, y, z).
        out: writeable C-contiguous uint64 (z, y, x); may be `np.empty`.
        mapping: sorted unique labels and what they become, uint64 (n,) each; labels not found stay.
        threads: 1 to 8.
        region: first voxel and end (x, y, z) of the part of `out` that may be written; all of it if None.

    Raises:
        LabelFormatError: a payload is damaged; the text names its index. `out` may be partly written.
        ValueError: an argument is not as described.
    """
    check_threads(threads)
    check_out(out)
    places = check_origins(origins, block_shape, len(payloads))
    low, high = (np.array(corner) for corner in check_region(region, out))
    for index, (payload, origin) in enumerate(zip(payloads, places, strict=True)):
        first = np.maximum(origin, low)
        end = np.minimum(origin + block_shape, high)
        if (first >= end).any():
            continue
        target = tuple(slice(a, b) for a, b in zip(first[::-1], end[::-1], strict=True))
        if payload is None:
            out[target] = 0
            continue
        source = tuple(slice(a, b) for a, b in zip((first - origin)[::-1], (end - origin)[::-1], strict=True))
        out[target] = _decode(payload, block_shape, index, mapping)[source]


def check_and_count(
    payloads: Sequence[Buffer], block_shape: Shape, threads: int = 2
) -> tuple[Labels, tuple[NDArray[np.int64], Labels, NDArray[np.uint32]]]:
    """Check payloads, and count the voxels of their labels.

    Args:
        payloads: the blocks.
        block_shape: voxels that each must have (x, y, z).
        threads: 1 to 8.

    Returns:
        What `check_payloads` returns, and what `label_counts` returns.

    Raises:
        LabelFormatError: a payload is damaged; the text names its index.
    """
    return check_payloads(payloads, block_shape, threads), label_counts(payloads, block_shape, None, threads)


def check_payloads(payloads: Sequence[Buffer], block_shape: Shape, threads: int = 2) -> Labels:
    """Inflate payloads and check every rule of the format.

    Args:
        payloads: the blocks.
        block_shape: voxels that each one must have (x, y, z).
        threads: 1 to 8.

    Returns:
        The largest label in each one's label table, uint64 (n,).

    Raises:
        LabelFormatError: a payload is not the gzip of a legal block; the text names its index.
    """
    check_threads(threads)
    check_shape(block_shape)
    largest = np.zeros(len(payloads), np.uint64)
    for index, payload in enumerate(payloads):
        try:
            layout = open_payload(payload, block_shape)
            block_codec.table_entries(layout)
        except LabelFormatError as error:
            raise error.in_payload(index) from None
        largest[index] = layout.table.max()
    return largest


def transcode(
    payloads: Sequence[Buffer],
    block_shape: Shape,
    compression: Compression,
    mapping: Mapping | None = None,
    threads: int = 2,
) -> list[Buffer]:
    """Turn payloads into another compression.

    Args:
        payloads: the blocks.
        block_shape: voxels of each block (x, y, z).
        compression: "lz4" (one LZ4 block), "gzip" or "uncompressed" of the raw little-endian uint64 voxels, or
            "blocks": gzip of the label block with its table mapped, and without a mapping the payloads as they are.
        mapping: sorted unique labels and what they become; labels not found stay.
        threads: 1 to 8.

    Returns:
        One bytes-like object for each payload.

    Raises:
        LabelFormatError: a payload is damaged; the text names its index.
        ValueError: the compression is another.
    """
    check_threads(threads)
    check_shape(block_shape)
    mapping = check_mapping(mapping)
    if compression not in ("lz4", "gzip", "uncompressed", "blocks"):
        raise ValueError(f"no such compression: {compression}")
    if compression == "blocks":
        return list(payloads) if mapping is None else _relabel(payloads, block_shape, mapping)
    made: list[Buffer] = []
    for index, payload in enumerate(payloads):
        voxels = _decode(payload, block_shape, index, mapping)
        if compression == "lz4":
            made.append(lz4_block(voxels))
        else:
            raw = voxels.data.cast("B")
            made.append(gzip_bytes(raw) if compression == "gzip" else raw)
    return made


def _relabel(payloads: Sequence[Buffer], block_shape: Shape, mapping: Mapping) -> list[Buffer]:
    made: list[Buffer] = []
    for index, payload in enumerate(payloads):
        try:
            block = gunzip(payload, largest_block(block_shape))
            parse(block, block_shape)
        except LabelFormatError as error:
            raise error.in_payload(index) from None
        made.append(gzip_bytes(relabel_block(block, mapping)))
    return made


def downsample_blocks(
    octants: Sequence[Payloads],
    written: NDArray[np.uint8],
    old: Payloads,
    block_shape: Shape,
    threads: int = 2,
    changed: NDArray[np.uint8] | None = None,
    *,
    plain: bool = False,
) -> list[bytes]:
    """Make blocks of the next lower resolution.

    Of each 2x2x2 voxels the label with most votes wins, among equals the smallest; 0 votes only where all eight are 0.

    Args:
        octants: for each low block its eight high blocks, x fastest; None is a block of zeros.
        written: uint8 (n, 8), which octants are to be made; the others keep the low block's voxels.
        old: each low block as it was; None is zeros. Looked at only where an octant was not written.
        block_shape: voxels of each block, high and low (x, y, z), multiples of 8.
        threads: 1 to 8.
        changed: uint8 (n, z, y, x), which parts of 8x8x8 voxels of the low blocks are to be made, in octants that are
            written; of the others, too, the low block's voxels stay. It counts only for low blocks that were there, and
            where the sides of blocks are multiples of 16; all of the written octants is made without it.
        plain: whether the high blocks are not gzipped, and the low ones that are made shall not be either.

    Returns:
        The payload of each low block.

    Raises:
        LabelFormatError: a payload is damaged; the text names the index of its low block.
        ValueError: an argument is not as described.
    """
    check_threads(threads)
    flags = check_octants(octants, written, old)
    x, y, z = (n // 2 for n in check_shape(block_shape))
    parts = None if changed is None else check_changed(changed, block_shape, len(octants))
    if any(n % 8 for n in (x, y, z)):
        parts = None
    made: list[bytes] = []
    for index, (eight, chosen, before) in enumerate(zip(octants, flags, old, strict=True)):
        keep = before is not None and not (chosen.all() and parts is None)
        low = (
            _decode(before, block_shape, index)
            if before is not None and keep
            else np.zeros((2 * z, 2 * y, 2 * x), np.uint64)
        )
        for i in np.flatnonzero(chosen).tolist():
            payload = eight[i]
            a, b, c = (i >> 2) * z, (i >> 1 & 1) * y, (i & 1) * x
            packed = gzip_bytes(payload) if plain and payload is not None else payload
            octant = 0 if packed is None else downsample_labels(_decode(packed, block_shape, index))
            low[a : a + z, b : b + y, c : c + x] = octant
        if parts is not None and before is not None:
            stays = (parts[index] == 0).repeat(8, 0).repeat(8, 1).repeat(8, 2)
            low[stays] = _decode(before, block_shape, index)[stays]
        made.append(encode_block(low) if plain else gzip_bytes(encode_block(low)))
    return made


def labels_at(
    payloads: Payloads,
    block_of_point: ArrayLike,
    offsets: ArrayLike,
    block_shape: Shape,
    mapping: Mapping | None = None,
    threads: int = 2,
    cache: BlockCache | None = None,
) -> Labels:
    """Labels of single voxels; no others are decoded.

    Args:
        payloads: the blocks; None is a block of zeros.
        block_of_point: which payload each point lies in, integers (m,).
        offsets: each point's voxel inside its block, integers (m, 3) as x, y, z.
        block_shape: voxels of each block (x, y, z).
        mapping: sorted unique labels and what they become; labels not found stay.
        threads: 1 to 8.
        cache: where inflated blocks are looked for first, and kept.

    Returns:
        uint64 (m,).

    Raises:
        LabelFormatError: a payload is damaged; the text names its index.
        ValueError: a point's block is not given, or the point lies outside it.
    """
    del cache
    check_threads(threads)
    owners, places = check_points(block_of_point, offsets, block_shape, len(payloads))
    labels = np.zeros(len(owners), np.uint64)
    for index in np.unique(owners).tolist():
        payload = payloads[index]
        if payload is not None:
            chosen = owners == index
            try:
                labels[chosen] = _labels_in(open_payload(payload, block_shape), places[chosen], mapping)
            except LabelFormatError as error:
                raise error.in_payload(index) from None
    return labels


def _labels_in(layout: Layout, places: NDArray[np.int64], mapping: Mapping | None) -> Labels:
    table = map_labels(layout.table, mapping)
    if layout.solid:
        return np.repeat(table, len(places))
    x, y, z = places.T
    width, height, _ = layout.grid
    sub = (z // SIDE * height + y // SIDE) * width + x // SIDE
    voxel = (z % SIDE * SIDE + y % SIDE) * SIDE + x % SIDE
    counts = layout.counts[sub]
    bits = BITS_FOR[counts]
    # A value lies within three bytes; the padding lets the last ones be read alike.
    values = np.append(layout.values, np.zeros(3, np.uint8)).astype(np.int64)
    at = layout.first_value[sub] + voxel * bits // 8
    window = values[at] << 16 | values[at + 1] << 8 | values[at + 2]
    value = (window >> (24 - bits - voxel * bits % 8)) & ((1 << bits) - 1)
    if (value >= np.maximum(counts, 1)).any():
        raise LabelFormatError("a voxel's value is past the end of its sub-block's list")
    entries = np.append(layout.indices, 0)[layout.first_index[sub] + value]
    listed = counts > 0
    if (entries[listed] >= len(table)).any():
        raise LabelFormatError("a sub-block names a label that is not in the table")
    return np.where(listed, table[np.where(listed, entries, 0)], np.uint64(0))

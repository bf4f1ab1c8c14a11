"""Kernels over whole requests, native; `dvid_labels.numpy_kernels` says what each one means."""

from collections.abc import Sequence

import dvid_kernels
import numpy as np
from numpy.typing import ArrayLike, NDArray

from dvid_labels.arguments import (
    Region,
    check_changed,
    check_octants,
    check_origins,
    check_out,
    check_region,
    check_threads,
    check_volume,
)
from dvid_labels.block_codec import block_table
from dvid_labels.compression import gzip_bytes, lz4_block
from dvid_labels.layout import MOST_VOXELS, bounded_shape, check_shape
from dvid_labels.mapping import check_mapping
from dvid_labels.native_bodies import body_binary_blocks, body_runs, count_changes
from dvid_labels.native_errors import our_errors
from dvid_labels.native_mapping import decode_mapping, encode_mapping, find_mapping, sort_mapping
from dvid_labels.native_messages import (
    decode_indices,
    decode_mapping_ops,
    encode_mapping_ops,
    index_messages,
    read_indices,
)
from dvid_labels.native_points import group_points, json_numbers, labels_kept
from dvid_labels.native_proofreading import cleave_record, merge_records, record_share
from dvid_labels.native_records import (
    BlockCache,
    change_records,
    encode_chunks,
    record_blocks,
    record_coarse_rles,
    record_message,
    record_messages,
    record_supervoxel_sizes,
    stored_sizes,
)
from dvid_labels.native_splitting import split_blocks
from dvid_labels.numpy_kernels import Compression
from dvid_labels.parallel import each
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


def decode_block(block: Buffer, most_voxels: int = MOST_VOXELS) -> Labels:
    """Decode a label block (not gzipped) to uint64 (z, y, x).

    Raises:
        LabelFormatError: the block breaks a rule of the format, or has more than `most_voxels` voxels.
    """
    out = np.empty(bounded_shape(block, most_voxels)[::-1], np.uint64)
    with our_errors():
        dvid_kernels.decode_block(block, out)
    return out


def encode_block(array: Labels) -> bytes:
    """Encode uint64 (z, y, x) as a label block (not gzipped).

    Raises:
        ValueError: a size is not a multiple of 8 up to 1024.
    """
    return dvid_kernels.encode_block(check_volume(array))


def check_block(block: Buffer, block_shape: Shape) -> None:
    """Check every rule of the format for a block (not gzipped) of `block_shape` voxels (x, y, z).

    Raises:
        LabelFormatError: a rule is broken.
    """
    with our_errors():
        dvid_kernels.check_block(block, check_shape(block_shape))


def relabel_block(block: Buffer, mapping: Mapping | None) -> bytes:
    """Map the label table of a block (not gzipped).

    Raises:
        LabelFormatError: a length is not what the format allows.
    """
    with our_errors():
        return dvid_kernels.relabel_block(block, check_mapping(mapping))


def read_voxels(
    payloads: Payloads,
    origins: ArrayLike,
    block_shape: Shape,
    out: Labels,
    mapping: Mapping | None = None,
    threads: int = 2,
    region: Region | None = None,
) -> None:
    """Write every voxel of `out` that lies within one of the blocks; see the numpy twin.

    Raises:
        LabelFormatError: a payload is damaged; the text names its index. `out` may be partly written.
        ValueError: an argument is not as described.
    """
    check_out(out)
    places = check_origins(origins, block_shape, len(payloads))
    low, high = check_region(region, out)
    with our_errors():
        dvid_kernels.read_voxels(
            payloads, places, block_shape, out, check_mapping(mapping), check_threads(threads), low, high
        )


def write_blocks(volume: Labels, block_shape: Shape, threads: int = 2) -> list[bytes]:
    """Cut a volume into blocks and encode them; payloads with x fastest.

    Raises:
        ValueError: the volume is not a whole number of blocks.
    """
    check_shape(block_shape)
    blocks = dvid_kernels.write_blocks(check_volume(volume, block_shape), block_shape, check_threads(threads))
    return each(gzip_bytes, blocks, threads)


def write_pieces(
    pieces: Sequence[Buffer], size: Shape, block_shape: Shape, threads: int = 2
) -> tuple[list[bytes], int]:
    """Cut a volume that came in pieces into blocks and encode them; payloads, and the largest label.

    Raises:
        ValueError: there are not as many bytes, or the volume is not a whole number of blocks.
    """
    blocks, largest = dvid_kernels.write_pieces(pieces, size, check_shape(block_shape), check_threads(threads))
    return each(gzip_bytes, blocks, threads), largest


def check_payloads(payloads: Sequence[Buffer], block_shape: Shape, threads: int = 2) -> Labels:
    """Inflate payloads and check every rule; the largest label of each one's table, uint64 (n,).

    Raises:
        LabelFormatError: a payload is not the gzip of a legal block; the text names its index.
    """
    with our_errors():
        return dvid_kernels.check_payloads(payloads, check_shape(block_shape), check_threads(threads))


def transcode(
    payloads: Sequence[Buffer],
    block_shape: Shape,
    compression: Compression,
    mapping: Mapping | None = None,
    threads: int = 2,
) -> list[Buffer]:
    """Turn payloads into "lz4", "gzip" or "uncompressed" raw voxels, or mapped "blocks"; see the numpy twin.

    Raises:
        LabelFormatError: a payload is damaged; the text names its index.
        ValueError: the compression is another.
    """
    check_shape(block_shape)
    check_threads(threads)
    mapping = check_mapping(mapping)
    if compression == "blocks":
        if mapping is None:
            return list(payloads)
        with our_errors():
            blocks = dvid_kernels.relabel_payloads(payloads, block_shape, mapping, threads)
        return list(each(gzip_bytes, blocks, threads))
    if compression == "uncompressed":
        return list(_raw_voxels(payloads, block_shape, mapping, threads))
    if compression not in ("lz4", "gzip"):
        raise ValueError(f"no such compression: {compression}")
    compress = lz4_block if compression == "lz4" else gzip_bytes

    def recompress(numbered: tuple[int, Buffer]) -> Buffer:
        # One block at a time: its voxels stay in the cache between the two steps.
        index, payload = numbered
        (raw,) = _raw_voxels([payload], block_shape, mapping, 1, index)
        return compress(raw)

    return each(recompress, list(enumerate(payloads)), threads)


def _raw_voxels(
    payloads: Sequence[Buffer], block_shape: Shape, mapping: Mapping | None, threads: int, first: int = 0
) -> list[memoryview]:
    """Decode all blocks into one array, stacked along z, and give views of it; errors count payloads from `first`."""
    x, y, z = block_shape
    out = np.empty((z * len(payloads), y, x), np.uint64)
    origins = np.zeros((len(payloads), 3), np.int64)
    origins[:, 2] = np.arange(len(payloads)) * z
    with our_errors(first):
        dvid_kernels.read_voxels(payloads, origins, block_shape, out, mapping, threads, (0, 0, 0), out.shape[::-1])
    return [out[z * i : z * (i + 1)].data.cast("B") for i in range(len(payloads))]


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
    """Make blocks of the next lower resolution from their eight high blocks; see the numpy twin.

    Raises:
        LabelFormatError: a payload is damaged; the text names the index of its low block.
        ValueError: an argument is not as described.
    """
    flags, shape = check_octants(octants, written, old), check_shape(block_shape)
    parts = None if changed is None else check_changed(changed, shape, len(octants)).reshape(len(octants), -1)
    with our_errors():
        blocks = dvid_kernels.downsample_blocks(octants, flags, old, shape, check_threads(threads), parts, plain)
    return blocks if plain else each(gzip_bytes, blocks, threads)


def labels_at(
    payloads: Payloads,
    block_of_point: ArrayLike,
    offsets: ArrayLike,
    block_shape: Shape,
    mapping: Mapping | None = None,
    threads: int = 2,
    cache: BlockCache | None = None,
) -> Labels:
    """Labels of single voxels, uint64 (m,); see the numpy twin.

    Raises:
        LabelFormatError: a payload is damaged; the text names its index.
        ValueError: a point's block is not given, or the point lies outside it.
    """
    owners, places = _points(block_of_point, offsets)
    with our_errors():
        return dvid_kernels.labels_at(
            payloads, owners, places, block_shape, check_mapping(mapping), check_threads(threads), cache
        )


def _points(block_of_point: ArrayLike, offsets: ArrayLike) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return points as the kernel takes them, which checks them."""
    return np.require(block_of_point, np.int64, ["C", "A"]), np.require(offsets, np.int64, ["C", "A"]).reshape(-1, 3)


def check_and_count(
    payloads: Sequence[Buffer], block_shape: Shape, threads: int = 2
) -> tuple[Labels, tuple[NDArray[np.int64], Labels, NDArray[np.uint32]]]:
    """Check payloads as `check_payloads`, and count as `label_counts`; each is inflated once.

    Raises:
        LabelFormatError: a payload is damaged; the text names its index.
    """
    with our_errors():
        return dvid_kernels.check_and_count(payloads, check_shape(block_shape), check_threads(threads))


def label_counts(
    payloads: Payloads, block_shape: Shape, mapping: Mapping | None = None, threads: int = 2
) -> tuple[NDArray[np.int64], Labels, NDArray[np.uint32]]:
    """Count the voxels of each label in each block: payload, label, voxels, sorted; see the numpy twin.

    Raises:
        LabelFormatError: a payload is damaged; the text names its index.
    """
    with our_errors():
        return dvid_kernels.label_counts(
            payloads, check_shape(block_shape), check_mapping(mapping), check_threads(threads)
        )


def encode_segmentation(volume: Labels) -> bytes:
    """Encode uint64 (z, y, x), sizes multiples of 8, as compressed_segmentation.

    Raises:
        LabelFormatError: the volume has more different tables than the format's 24-bit offsets can reach.
        ValueError: the sizes are not multiples of 8.
    """
    with our_errors():
        return dvid_kernels.encode_segmentation(check_volume(volume)).tobytes()

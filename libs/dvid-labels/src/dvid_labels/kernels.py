"""The kernels that run here: native where dvid-kernels is installed, else numpy.

The choice is made once, at import. `DVID_KERNELS=numpy` in the environment asks for numpy. Both have the same
interface; `dvid_labels.numpy_kernels` says what each function means.
"""

import importlib.util
import os
from typing import TYPE_CHECKING, Literal

__all__ = [
    "IMPLEMENTATION",
    "BlockCache",
    "block_table",
    "body_binary_blocks",
    "body_runs",
    "change_records",
    "check_and_count",
    "check_block",
    "check_payloads",
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
    "index_messages",
    "json_points",
    "label_counts",
    "labels_at",
    "read_indices",
    "read_voxels",
    "record_blocks",
    "record_coarse_rles",
    "record_message",
    "record_messages",
    "record_supervoxel_sizes",
    "relabel_block",
    "sort_mapping",
    "split_blocks",
    "transcode",
    "write_blocks",
]


def _implementation() -> Literal["native", "numpy"]:
    if os.environ.get("DVID_KERNELS") == "numpy" or importlib.util.find_spec("dvid_kernels") is None:
        return "numpy"
    return "native"


IMPLEMENTATION: Literal["native", "numpy"] = _implementation()

if TYPE_CHECKING or IMPLEMENTATION == "numpy":
    from dvid_labels.numpy_kernels import (
        BlockCache,
        block_table,
        body_binary_blocks,
        body_runs,
        change_records,
        check_and_count,
        check_block,
        check_payloads,
        count_changes,
        decode_block,
        decode_indices,
        decode_mapping,
        decode_mapping_ops,
        downsample_blocks,
        encode_block,
        encode_chunks,
        encode_mapping,
        encode_mapping_ops,
        encode_segmentation,
        find_mapping,
        index_messages,
        json_points,
        label_counts,
        labels_at,
        read_indices,
        read_voxels,
        record_blocks,
        record_coarse_rles,
        record_message,
        record_messages,
        record_supervoxel_sizes,
        relabel_block,
        sort_mapping,
        split_blocks,
        transcode,
        write_blocks,
    )
else:
    from dvid_labels.native_kernels import (
        BlockCache,
        block_table,
        body_binary_blocks,
        body_runs,
        change_records,
        check_and_count,
        check_block,
        check_payloads,
        count_changes,
        decode_block,
        decode_indices,
        decode_mapping,
        decode_mapping_ops,
        downsample_blocks,
        encode_block,
        encode_chunks,
        encode_mapping,
        encode_mapping_ops,
        encode_segmentation,
        find_mapping,
        index_messages,
        json_points,
        label_counts,
        labels_at,
        read_indices,
        read_voxels,
        record_blocks,
        record_coarse_rles,
        record_message,
        record_messages,
        record_supervoxel_sizes,
        relabel_block,
        sort_mapping,
        split_blocks,
        transcode,
        write_blocks,
    )

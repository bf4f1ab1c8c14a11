"""The kernels that run here: native where dvid-kernels is installed, else numpy.

The choice is made once, at import. `DVID_KERNELS=numpy` in the environment asks for numpy. Both have the same
interface; `dvid_labels.numpy_kernels` says what each function means.
"""

import importlib.util
import os
from typing import TYPE_CHECKING, Literal

__all__ = [
    "IMPLEMENTATION",
    "block_table",
    "check_block",
    "check_payloads",
    "decode_block",
    "downsample_blocks",
    "encode_block",
    "encode_segmentation",
    "label_counts",
    "labels_at",
    "read_voxels",
    "relabel_block",
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
        block_table,
        check_block,
        check_payloads,
        decode_block,
        downsample_blocks,
        encode_block,
        encode_segmentation,
        label_counts,
        labels_at,
        read_voxels,
        relabel_block,
        transcode,
        write_blocks,
    )
else:
    from dvid_labels.native_kernels import (
        block_table,
        check_block,
        check_payloads,
        decode_block,
        downsample_blocks,
        encode_block,
        encode_segmentation,
        label_counts,
        labels_at,
        read_voxels,
        relabel_block,
        transcode,
        write_blocks,
    )

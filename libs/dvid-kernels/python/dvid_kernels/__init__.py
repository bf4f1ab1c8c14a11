"""Native loops of dvid-labels; use them through `dvid_labels.kernels`."""

from dvid_kernels._dvid_kernels import (
    LabelFormatError,
    __version__,
    block_shape,
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
    relabel_payloads,
    write_blocks,
)

__all__ = [
    "LabelFormatError",
    "__version__",
    "block_shape",
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
    "relabel_payloads",
    "write_blocks",
]

"""Label blocks of DVID: the codec, and kernels over whole requests."""

from dvid_labels.block_stream import block_stream, parse_block_stream
from dvid_labels.compression import gunzip, gzip_bytes, lz4_block, unlz4_block
from dvid_labels.errors import LabelFormatError
from dvid_labels.mapping import map_labels
from dvid_labels.segmentation import decode_segmentation

__all__ = [
    "LabelFormatError",
    "block_stream",
    "decode_segmentation",
    "gunzip",
    "gzip_bytes",
    "lz4_block",
    "map_labels",
    "parse_block_stream",
    "unlz4_block",
]

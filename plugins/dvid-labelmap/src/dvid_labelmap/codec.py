"""Volumes of labels as the bytes of bodies and answers."""

from __future__ import annotations

import numpy as np
from dvid_labels import gunzip, gzip_bytes, kernels, lz4_block, unlz4_block
from dvid_labels.types import Buffer, Labels
from dvid_voxels.geometry import Box

from dvid_framework.api import BadRequest
from dvid_labelmap.ops.bounds import bad_input

__all__ = ["READ_COMPRESSIONS", "WRITE_COMPRESSIONS", "check_read", "decode_volume", "encode_volume"]

READ_COMPRESSIONS = ("lz4", "gzip", "google", "googlegzip")
WRITE_COMPRESSIONS = ("lz4", "gzip")
_LARGEST_COMPRESSED = 1 << 30
_CELL = 8


def check_read(box: Box, compression: str) -> None:
    """Check that a box can be sent in a compression.

    Raises:
        BadRequest: the compression is unknown, the box is too large for it, or its sizes are no multiples of 8.
    """
    if compression not in READ_COMPRESSIONS:
        raise BadRequest(f"unknown compression {compression[:20]!r}; {', '.join(READ_COMPRESSIONS)} are allowed")
    if box.voxels * 8 > _LARGEST_COMPRESSED:
        raise BadRequest(f"at most {_LARGEST_COMPRESSED} raw bytes can be compressed at once; ask for parts")
    if compression.startswith("google") and any(side % _CELL for side in box.size):
        raise BadRequest(f"for {compression} the sizes must be multiples of {_CELL}")


def encode_volume(labels: Labels, compression: str) -> Buffer:
    """Compress a volume.

    Args:
        labels: uint64 (z, y, x), C-contiguous.
        compression: one of READ_COMPRESSIONS.

    Raises:
        BadRequest: the format can't express it.
    """
    if compression == "lz4":
        return lz4_block(labels)
    if compression == "gzip":
        return gzip_bytes(labels.data.cast("B"))
    with bad_input():
        segmentation = kernels.encode_segmentation(labels)
    return segmentation if compression == "google" else gzip_bytes(segmentation)


def decode_volume(body: Buffer, box: Box, compression: str) -> Labels:
    """Return the labels of a body, uint64 (z, y, x), without a copy where it is not compressed.

    Raises:
        BadRequest: the compression is unknown, the body is damaged, or it has not the box's number of bytes.
    """
    expected = 8 * box.voxels
    with bad_input():
        if compression == "lz4":
            body = unlz4_block(body, expected)
        elif compression == "gzip":
            body = gunzip(body, expected)
        elif compression:
            raise BadRequest(f"unknown compression {compression[:20]!r}; {', '.join(WRITE_COMPRESSIONS)} are allowed")
    size = memoryview(body).nbytes
    if size != expected:
        raise BadRequest(f"{box.size} labels are {expected} bytes, but the body has {size}")
    return np.frombuffer(body, "<u8").reshape(box.shape)

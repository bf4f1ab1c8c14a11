"""The stream of blocks: for each one int32 x, y, z of the block, int32 n, and n bytes of payload."""

import struct
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dvid_labels.errors import LabelFormatError
from dvid_labels.types import Buffer

__all__ = ["block_stream", "parse_block_stream"]

_HEADER = struct.Struct("<4i")


def parse_block_stream(body: Buffer, limit: int) -> tuple[NDArray[np.int32], list[memoryview]]:
    """Cut a stream into its blocks, without copies.

    Args:
        body: the stream; may be empty.
        limit: most blocks that it may hold.

    Returns:
        Block coordinates, int32 (n, 3) as x, y, z, and the payloads, views of `body`.

    Raises:
        LabelFormatError: a header or a payload is cut off, a payload has no bytes, or there are more than `limit`
            blocks.
    """
    view = memoryview(body).cast("B")
    coordinates: list[tuple[int, int, int]] = []
    payloads: list[memoryview] = []
    at = 0
    while at < len(view):
        if len(payloads) == limit:
            raise LabelFormatError(f"the stream holds more than {limit} blocks")
        if len(view) - at < _HEADER.size:
            raise LabelFormatError(f"the header of block {len(payloads)} of the stream is cut off")
        x, y, z, size = _HEADER.unpack_from(view, at)
        at += _HEADER.size
        if size <= 0:
            raise LabelFormatError(f"block {len(payloads)} of the stream claims {size} bytes")
        if size > len(view) - at:
            raise LabelFormatError(f"block {len(payloads)} of the stream is cut off")
        coordinates.append((x, y, z))
        payloads.append(view[at : at + size])
        at += size
    return np.array(coordinates, np.int32).reshape(-1, 3), payloads


def block_stream(coords: ArrayLike, payloads: Sequence[Buffer]) -> list[Buffer]:
    """Put headers before payloads.

    Args:
        coords: block coordinates, integers (n, 3) as x, y, z, within int32.
        payloads: the bytes of each block, used as they are.

    Returns:
        Header, payload, header, payload, and so on, ready to be sent.

    Raises:
        ValueError: there are not as many coordinates as payloads, or one is not an int32.
    """
    places = np.asarray(coords, np.int64).reshape(-1, 3)
    if len(places) != len(payloads):
        raise ValueError("there must be one block coordinate for each payload")
    sizes = np.array([memoryview(payload).nbytes for payload in payloads], np.int64).reshape(-1, 1)
    rows = np.concatenate((places, sizes), axis=1)
    heads = rows.astype("<i4")
    if (heads != rows).any():
        raise ValueError("a block coordinate or payload size is not an int32")
    view = memoryview(heads.tobytes())
    pieces: list[Buffer] = []
    for i, payload in enumerate(payloads):
        pieces.append(view[i * _HEADER.size : (i + 1) * _HEADER.size])
        pieces.append(payload)
    return pieces

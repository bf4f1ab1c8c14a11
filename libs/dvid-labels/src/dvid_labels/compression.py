"""Bounded gzip and LZ4."""

import lz4.block
import numpy as np
from isal import isal_zlib
from isal.igzip_lib import IsalError
from numpy.typing import NDArray

from dvid_labels.errors import LabelFormatError
from dvid_labels.types import Buffer

__all__ = ["gunzip", "gzip_bytes", "lz4_block", "unlz4_block"]

_GZIP = 31
_LEVEL = 1


def gunzip(data: Buffer, limit: int) -> bytes:
    """Inflate a gzip stream of one or more members.

    Args:
        data: the stream, nothing after it.
        limit: most bytes that it may inflate to; no more are ever made.

    Raises:
        LabelFormatError: it is not gzip, damaged, cut off, followed by other bytes, or inflates to more than `limit`
            bytes.
    """
    rest: Buffer = data
    parts: list[bytes] = []
    room = limit
    while len(rest) or not parts:
        member = isal_zlib.decompressobj(wbits=_GZIP)
        try:
            part = member.decompress(rest, max_length=room + 1)
        except (IsalError, EOFError, ValueError) as error:  # type: ignore[misc]  # its stub declares an instance
            raise LabelFormatError(f"it is not gzip or is damaged ({error})") from None
        room -= len(part)
        if room < 0:
            raise LabelFormatError(f"it inflates to more than {limit} bytes")
        if not member.eof:
            raise LabelFormatError("the gzip stream is cut off")
        parts.append(part)
        rest = member.unused_data
    return parts[0] if len(parts) == 1 else b"".join(parts)


def gzip_bytes(data: Buffer) -> bytes:
    """Compress with gzip, at the level that costs least."""
    return isal_zlib.compress(data, _LEVEL, wbits=_GZIP)


def lz4_block(array: NDArray[np.generic] | Buffer) -> bytes:
    """Compress an array's bytes as one LZ4 block, no size in front.

    Args:
        array: C-contiguous, any dtype and shape.
    """
    raw = np.ascontiguousarray(array).data.cast("B") if isinstance(array, np.ndarray) else array
    packed: bytes = lz4.block.compress(raw, store_size=False)
    return packed


def unlz4_block(data: Buffer, expected_bytes: int) -> bytes:
    """Decompress one LZ4 block; never makes more than `expected_bytes` bytes.

    Raises:
        LabelFormatError: it is damaged or has not exactly that many bytes.
    """
    try:
        plain = lz4.block.decompress(data, uncompressed_size=expected_bytes)
    except (lz4.block.LZ4BlockError, ValueError, OverflowError) as error:
        raise LabelFormatError(f"it is not an LZ4 block of {expected_bytes} bytes ({error})") from None
    if len(plain) != expected_bytes:
        raise LabelFormatError(f"the LZ4 block has {len(plain)} bytes, not {expected_bytes}")
    return bytes(plain)

"""The envelope of a stored value: codec and checksum before the bytes.

    byte 0      codec: 0 none, 1 LZ4 block, 2 zlib
    bytes 1-4   CRC-32C (little-endian) of the key, byte 0 and all that follows byte 4
    bytes 5-8   only with a codec: the size of the value (little-endian)
    the rest    the value, compressed by the codec

The key is part of the checksum, so that a value under a wrong key is as much an error as a flipped byte.
"""

from __future__ import annotations

from struct import Struct
from struct import error as StructError  # noqa: N812 - an exception like the others

import google_crc32c
import lz4.block
from isal import igzip_lib, isal_zlib

from dvid_framework.errors import CorruptValue

__all__ = ["CODECS", "LZ4", "NONE", "ZLIB", "open_value", "seal_value"]

NONE, LZ4, ZLIB = 0, 1, 2
_extend, _value = google_crc32c.extend, google_crc32c.value
_decompress = lz4.block.decompress
_head, _size = Struct("<BI").unpack_from, Struct("<I").unpack_from
CODECS = {"none": NONE, "snappy": LZ4, "lz4": LZ4, "gzip": ZLIB, "jpeg": NONE}
"""Codec by the word of an instance's Compression setting; snappy is kept as LZ4, jpeg is the datatype's own matter."""
_IsalError: type[Exception] = igzip_lib.IsalError  # type: ignore[assignment]
_SMALLEST = 64  # bytes below which compression can't pay for its header
_LARGEST = 1 << 32
_VIEWED = 1 << 14  # bytes from which making a view is quicker than a copy


def _checksum(key: bytes, codec: int, body: bytes | memoryview) -> bytes:
    crc = google_crc32c.value(key + bytes((codec,)))
    crc = google_crc32c.extend(crc, bytes(body) if isinstance(body, memoryview) else body)
    return int(crc).to_bytes(4, "little")


def seal_value(key: bytes, value: bytes, codec: int = NONE) -> bytes:
    """Return value in its envelope.

    Args:
        key: the full stored key.
        value: any bytes.
        codec: NONE, LZ4 or ZLIB; a value that does not get smaller is kept as it is.

    Raises:
        ValueError: value has 4 GiB or more.
    """
    if len(value) >= _LARGEST:
        raise ValueError("a stored value has at most 4 GiB")
    body = value
    if codec != NONE:
        packed = b""
        if len(value) >= _SMALLEST:
            packed = lz4.block.compress(value, store_size=False) if codec == LZ4 else isal_zlib.compress(value, 1)
        if packed and len(packed) + 4 < len(value):
            body = len(value).to_bytes(4, "little") + packed
        else:
            codec = NONE
    return b"".join((bytes((codec,)), _checksum(key, codec, body), body))


def open_value(key: bytes, sealed: bytes) -> memoryview:
    """Return the value in an envelope, without a copy where it is not compressed.

    Raises:
        CorruptValue: the checksum or the format is wrong.
    """
    if len(sealed) < 5 or sealed[0] > ZLIB:
        raise CorruptValue(f"the value of key {key.hex()} has no envelope")
    codec, checksum = _head(sealed)
    body = sealed[5:]
    if _extend(_value(key + sealed[:1]), body) != checksum:
        raise CorruptValue(f"the value of key {key.hex()} fails its checksum")
    if codec == NONE:
        return memoryview(body)
    try:
        (size,) = _size(body)
        if codec == LZ4:
            packed = memoryview(body)[4:] if len(body) > _VIEWED else body[4:]
            value = _decompress(packed, size)
        else:
            value = isal_zlib.decompress(memoryview(body)[4:], bufsize=max(size, 1))
    except (lz4.block.LZ4BlockError, _IsalError, StructError, ValueError, OverflowError, MemoryError) as error:
        raise CorruptValue(f"the value of key {key.hex()} can't be decompressed: {error}") from error
    if len(value) != size:
        raise CorruptValue(f"the value of key {key.hex()} has {len(value)} bytes and not {size}")
    return memoryview(value)

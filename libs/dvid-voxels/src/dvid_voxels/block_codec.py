"""Blocks of voxels as they are stored and sent: as they are, or compressed by LZ4, gzip, JPEG or Snappy."""

import io
from typing import Literal, TypeAlias

import lz4.block
import numpy as np
import simplejpeg
from isal import igzip, igzip_lib
from numpy.typing import NDArray

from dvid_voxels.errors import VoxelFormatError
from dvid_voxels.images import MOST_JPEG_SIDE, Format, encode_image

__all__ = ["Buffer", "Codec", "decode_block", "encode_block", "snappy_block"]

Buffer: TypeAlias = bytes | bytearray | memoryview
Codec: TypeAlias = Literal["none", "lz4", "gzip", "jpeg"]
_JPEG_QUALITY = 80
_GZIP_LEVEL = 1
#: Bytes of one literal of Snappy with a length of two bytes.
_LITERAL = 1 << 16
_IsalError: type[Exception] = igzip_lib.IsalError  # type: ignore[assignment]


def encode_block(raw: Buffer, codec: Codec, width: int, level: int = _GZIP_LEVEL) -> bytes:
    """Compress the voxels of a block.

    Args:
        raw: its voxels (z, y, x).
        codec: `lz4` gives the size as uint32, little-endian, and one LZ4 block; `jpeg` a gray JPEG of bytes.
        width: columns of the JPEG.
        level: of gzip; above 3 is as 3.

    Raises:
        VoxelFormatError: no JPEG can have so many rows.
    """
    if codec == "none":
        return bytes(raw)
    if codec == "lz4":
        return bytes(lz4.block.compress(raw, store_size=True))
    if codec == "gzip":
        return bytes(igzip.compress(raw, min(max(level, 0), 3)))
    rows = memoryview(raw).nbytes // width
    if max(rows, width) > MOST_JPEG_SIDE:
        raise VoxelFormatError(f"a block of {rows} rows of {width} bytes is too large for a JPEG: make smaller blocks")
    return encode_image(np.frombuffer(raw, np.uint8).reshape(rows, width), Format("jpg", _JPEG_QUALITY))[0]


def decode_block(payload: Buffer, codec: Codec, size: int) -> Buffer:
    """Return the voxels of a block.

    Args:
        payload: what `encode_block` made.
        codec: how.
        size: bytes that there must be.

    Raises:
        VoxelFormatError: the bytes are damaged, or not so many.
    """
    if codec == "none":
        raw: Buffer = payload
    elif codec == "lz4":
        raw = _unlz4(payload, size)
    elif codec == "gzip":
        raw = _gunzip(payload, size)
    else:
        raw = _unjpeg(payload, size)
    found = memoryview(raw).nbytes
    if found != size:
        raise VoxelFormatError(f"it has {found} bytes and not {size}")
    return raw


def _unlz4(payload: Buffer, size: int) -> bytes:
    if len(payload) < 4 or int.from_bytes(payload[:4], "little") != size:
        raise VoxelFormatError(f"it does not say that it has {size} bytes")
    try:
        return bytes(lz4.block.decompress(memoryview(payload)[4:], uncompressed_size=size))
    except (lz4.block.LZ4BlockError, ValueError) as error:
        raise VoxelFormatError(f"the LZ4 data is damaged: {error}") from error


def _gunzip(payload: Buffer, size: int) -> bytes:
    try:
        with igzip.GzipFile(fileobj=io.BytesIO(payload)) as stream:  # type: ignore[no-untyped-call]
            return bytes(stream.read(size + 1))
    except (_IsalError, OSError, EOFError, ValueError) as error:
        raise VoxelFormatError(f"the gzip data is damaged: {error}") from error


def _unjpeg(payload: Buffer, size: int) -> Buffer:
    try:
        rows, columns, _, _ = simplejpeg.decode_jpeg_header(payload)
        if rows * columns != size:
            raise VoxelFormatError(f"the JPEG has {rows * columns} pixels and not {size}")
        pixels: NDArray[np.uint8] = simplejpeg.decode_jpeg(payload, colorspace="GRAY")
    except ValueError as error:
        raise VoxelFormatError(f"the JPEG is damaged: {error}") from error
    return pixels.data.cast("B")


def snappy_block(raw: Buffer) -> bytes:
    """Return bytes in the block format of Snappy, as literals: any reader takes it, and it costs one copy."""
    view = memoryview(raw).cast("B")
    size, head = view.nbytes, bytearray()
    while size >= 128:
        head.append(size & 127 | 128)
        size >>= 7
    head.append(size)
    parts: list[Buffer] = [head]
    for at in range(0, view.nbytes, _LITERAL):
        piece = view[at : at + _LITERAL]
        # A literal whose length less one takes two bytes: tag 61.
        parts += [b"\xf4" + (piece.nbytes - 1).to_bytes(2, "little"), piece]
    return b"".join(parts)

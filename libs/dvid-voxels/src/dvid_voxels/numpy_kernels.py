"""Kernels over whole requests for blocks of voxels, in numpy; native twins have the same interface."""

import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from dvid_voxels.block_codec import Buffer, Codec, decode_block, encode_block
from dvid_voxels.errors import VoxelFormatError
from dvid_voxels.geometry import INT32_MAX, INT32_MIN, Triple
from dvid_voxels.tiling import cut_blocks, paste_block

__all__ = ["decode_blocks", "encode_blocks", "encode_pieces", "json_points", "read_voxel_blocks"]

Item = TypeVar("Item")
Result = TypeVar("Result")
#: Fewer blocks are not worth the start of threads.
_WORTH_THREADS = 4


def _each(function: Callable[[Item], Result], items: Sequence[Item], threads: int) -> list[Result]:
    if threads == 1 or len(items) < _WORTH_THREADS:
        return [function(item) for item in items]
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(function, items))


def _decoded(payload: Buffer, number: int, codec: Codec, size: int) -> Buffer:
    try:
        return decode_block(payload, codec, size)
    except VoxelFormatError as error:
        raise VoxelFormatError(str(error), number) from error


def read_voxel_blocks(
    payloads: Sequence[Buffer | None],
    origins: NDArray[np.int64],
    block_size: Triple,
    codec: Codec,
    out: NDArray[Any],
    background: int,
    threads: int,
) -> None:
    """Write the voxels of blocks into a volume; together they must cover it.

    Args:
        payloads: what is stored of each block; None where nothing is.
        origins: first voxel of each block relative to the first of `out`, int64 (n, 3) as x, y, z.
        block_size: voxels of a block (x, y, z).
        codec: how they are stored.
        out: (z, y, x), perhaps with channels behind, C-contiguous; written in place.
        background: what each byte of a voxel of no block is.
        threads: how many to use.

    Raises:
        VoxelFormatError: a block is damaged; `payload` is its number.
    """
    x, y, z = block_size
    shape = (z, y, x, *out.shape[3:])
    size = x * y * z * out.itemsize * int(np.prod(out.shape[3:], dtype=np.int64))
    unset = np.full(out.itemsize, background, np.uint8).view(out.dtype)[0]

    def one(number: int) -> None:
        payload = payloads[number]
        origin = tuple(origins[number].tolist())
        if payload is None:
            block = np.broadcast_to(unset, shape)
        else:
            block = np.frombuffer(_decoded(payload, number, codec, size), out.dtype).reshape(shape)
        paste_block(block, origin, out)

    _each(one, range(len(payloads)), threads)


def decode_blocks(payloads: Sequence[Buffer], codec: Codec, size: int, threads: int) -> list[Buffer]:
    """Return the voxels of each block.

    Args:
        payloads: what is stored.
        codec: how.
        size: bytes of a block.
        threads: how many to use.

    Raises:
        VoxelFormatError: a block is damaged; `payload` is its number.
    """
    return _each(lambda number: _decoded(payloads[number], number, codec, size), range(len(payloads)), threads)


def encode_blocks(
    volume: NDArray[Any],
    block_size: Triple,
    codec: Codec,
    level: int,
    threads: int,
    chosen: Sequence[int] | None = None,
) -> list[bytes]:
    """Cut a volume into blocks and compress each.

    Args:
        volume: (z, y, x), perhaps with channels behind; a whole number of blocks.
        block_size: voxels of a block (x, y, z).
        codec: how.
        level: of gzip.
        threads: how many to use.
        chosen: numbers of the blocks that are wanted, x fastest, then y, z; all without it.

    Raises:
        VoxelFormatError: a block is too large for the codec.
    """
    cut = cut_blocks(volume, block_size)
    depth, height, width = cut.shape[:3]
    numbers = range(depth * height * width) if chosen is None else chosen

    def one(number: int) -> bytes:
        block = cut[number // (height * width), number // width % height, number % width]
        return encode_block(np.ascontiguousarray(block).data.cast("B"), codec, block_size[0], level)

    return _each(one, numbers, threads)


def encode_pieces(
    pieces: Sequence[Buffer],
    size: Triple,
    block_size: Triple,
    voxel_bytes: int,
    codec: Codec,
    level: int,
    threads: int,
    chosen: Sequence[int] | None = None,
) -> list[bytes]:
    """Cut a volume that came in pieces into blocks and compress each.

    Args:
        pieces: its bytes (z, y, x), one behind the other.
        size: its voxels (x, y, z), a whole number of blocks.
        block_size: voxels of a block (x, y, z).
        voxel_bytes: bytes of a voxel.
        codec: how.
        level: of gzip.
        threads: how many to use.
        chosen: numbers of the blocks that are wanted, x fastest, then y, z; all without it.

    Raises:
        VoxelFormatError: a block is too large for the codec.
        ValueError: there are not so many bytes, or the volume is not of whole blocks.
    """
    volume = np.frombuffer(b"".join(pieces), np.uint8).reshape(*size[::-1], voxel_bytes)
    return encode_blocks(volume, block_size, codec, level, threads, chosen)


def json_points(body: Buffer, limit: int) -> NDArray[np.int64] | None:
    """Read a JSON list of points.

    Args:
        body: the JSON.
        limit: how many points it may have.

    Returns:
        int64 (n, 3); None if it is anything but a list of at most `limit` lists of three int32.
    """
    try:
        points = json.loads(bytes(body))
    except (ValueError, RecursionError):
        return None
    if not isinstance(points, list) or len(points) > limit:
        return None
    for point in points:
        if not isinstance(point, list) or len(point) != 3:
            return None
        if any(type(n) is not int or not INT32_MIN <= n <= INT32_MAX for n in point):
            return None
    return np.array(points, np.int64).reshape(-1, 3)

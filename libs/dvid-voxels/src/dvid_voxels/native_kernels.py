"""Kernels over whole requests for blocks of voxels, native; `dvid_voxels.numpy_kernels` says what each one means."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import dvid_kernels
import numpy as np
from numpy.typing import NDArray

from dvid_voxels import numpy_kernels
from dvid_voxels.block_codec import Buffer, Codec
from dvid_voxels.errors import VoxelFormatError
from dvid_voxels.geometry import Triple
from dvid_voxels.numpy_kernels import encode_blocks

__all__ = ["decode_blocks", "encode_blocks", "encode_pieces", "json_points", "read_voxel_blocks"]

#: Bytes of voxels that are decoded or copied quicker than a thread is started.
_WORTH_THREADS = 2 << 20


@contextmanager
def _our_errors() -> Iterator[None]:
    try:
        yield
    except dvid_kernels.LabelFormatError as error:
        text, payload = error.args
        raise VoxelFormatError(text, payload) from error


def _whole(payload: Buffer | None) -> Buffer | None:
    """Give the bytes behind a view of all of them: the native side borrows bytes, and copies views."""
    if type(payload) is memoryview and type(payload.obj) is bytes and len(payload.obj) == payload.nbytes:
        return payload.obj
    return payload


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

    Raises:
        VoxelFormatError: a block is damaged; `payload` is its number.
    """
    if codec == "jpeg":
        numpy_kernels.read_voxel_blocks(payloads, origins, block_size, codec, out, background, threads)
        return
    depth, height, width = out.shape[:3]
    voxel = out.nbytes // (depth * height * width)
    x, y, z = block_size
    scaled = np.ascontiguousarray(origins, np.int64) * np.array((voxel, 1, 1), np.int64)
    room = out.reshape(-1).view(np.uint8)
    size = (width * voxel, height, depth)
    work = max(out.nbytes, 0 if codec == "none" else len(payloads) * x * y * z * voxel)
    with _our_errors():
        dvid_kernels.read_voxel_blocks(
            [_whole(payload) for payload in payloads],
            scaled,
            (x * voxel, y, z),
            codec,
            room,
            size,
            background,
            threads if work >= _WORTH_THREADS else 1,
        )


def decode_blocks(payloads: Sequence[Buffer], codec: Codec, size: int, threads: int) -> list[Buffer]:
    """Return the voxels of each block.

    Raises:
        VoxelFormatError: a block is damaged; `payload` is its number.
    """
    if codec == "jpeg":
        return numpy_kernels.decode_blocks(payloads, codec, size, threads)
    wanted = [whole for payload in payloads if (whole := _whole(payload)) is not None]
    with _our_errors():
        decoded: list[Buffer] = [
            *dvid_kernels.decode_voxel_blocks(
                wanted, codec, size, threads if len(wanted) * size >= _WORTH_THREADS else 1
            )
        ]
    return decoded


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
    """Cut a volume that came in pieces into blocks and compress each; see the numpy twin.

    Raises:
        VoxelFormatError: a block is too large for the codec.
        ValueError: there are not so many bytes, or the volume is not of whole blocks.
    """
    if codec not in ("none", "lz4"):
        return numpy_kernels.encode_pieces(
            pieces, size, block_size, voxel_bytes, codec, level, threads, chosen
        )  # other libraries compress quicker
    (width, height, depth), (x, y, z) = size, block_size
    work = voxel_bytes * width * height * depth
    with _our_errors():
        return dvid_kernels.encode_voxel_pieces(
            [piece for piece in map(_whole, pieces) if piece is not None],
            (voxel_bytes * width, height, depth),
            (voxel_bytes * x, y, z),
            codec,
            threads if work >= _WORTH_THREADS else 1,
            chosen,
        )


def json_points(body: Buffer, limit: int) -> NDArray[np.int64] | None:
    """Read a JSON list of points, int64 (n, 3) as x, y, z; None if it is anything else; see the numpy twin."""
    found: NDArray[np.int64] | None = dvid_kernels.json_points(body, limit)
    return found

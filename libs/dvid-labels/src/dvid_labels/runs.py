"""Runs along x, and the streams that hold them: rles, srles, coarse volumes, the head of binary blocks.

Runs are int32 (n, 4): x, y, z, length. All integers are little-endian.
"""

import struct
from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dvid_labels.errors import LabelFormatError
from dvid_labels.layout import SIDE, check_shape
from dvid_labels.types import Buffer, Shape

__all__ = [
    "binary_blocks_header",
    "block_slabs",
    "coarse_runs",
    "decode_rles",
    "decode_runs",
    "encode_coarse_volume",
    "encode_rles",
    "joined_runs",
    "rles_header",
]

_RUN_BYTES = 16
_RLES = struct.Struct("<4B2I")
_LARGEST = np.iinfo(np.int32).max


def joined_runs(runs: ArrayLike) -> NDArray[np.int32]:
    """Sort runs by z, y, x and join those that touch or overlap.

    Args:
        runs: integers (n, 4) within int32, lengths above 0.

    Returns:
        int32 (m, 4): the same voxels in as few runs as can be.

    Raises:
        ValueError: a joined run is longer than an int32 can tell.
    """
    rows = np.asarray(runs, np.int64).reshape(-1, 4)
    if not len(rows):
        return np.zeros((0, 4), np.int32)
    rows = rows[np.lexsort((rows[:, 0], rows[:, 1], rows[:, 2]))]
    x, y, z, length = rows.T
    new_row = (y[1:] != y[:-1]) | (z[1:] != z[:-1])
    # Each row of voxels has a stretch of one line to itself, which leaves a gap behind the largest x.
    start = x - x.min()
    start[1:] += np.cumsum(new_row) << 33
    reach = np.maximum.accumulate(start + length)
    first = np.append(True, start[1:] > reach[:-1])
    last = np.append(first[1:], True)
    lengths = reach[last] - start[first]
    if lengths.max() > _LARGEST:
        raise ValueError("a run is longer than an int32 can tell")
    joined: NDArray[np.int32] = rows[first].astype(np.int32)
    joined[:, 3] = lengths
    return joined


def coarse_runs(coordinates: ArrayLike) -> NDArray[np.int32]:
    """Runs of blocks, from block coordinates.

    Args:
        coordinates: integers (n, 3) as x, y, z, within int32, in any order; may repeat.

    Returns:
        int32 (m, 4): runs as long as can be, in blocks, sorted by z, y, x.
    """
    places = np.asarray(coordinates, np.int64).reshape(-1, 3)
    return joined_runs(np.concatenate((places, np.ones((len(places), 1), np.int64)), axis=1))


def block_slabs(coordinates: ArrayLike, most_blocks: int) -> Iterator[NDArray[np.int64]]:
    """Cut the blocks of a body into parts whose sparse volumes can be made one after the other.

    Args:
        coordinates: block coordinates, integers (n, 3) as x, y, z.
        most_blocks: blocks of a part; a part has more where all of them lie in one plane of blocks.

    Yields:
        Places in `coordinates`, int64 (k,), sorted by z, y, x: whole planes of blocks, z ascending.

    Raises:
        ValueError: `most_blocks` is not positive.
    """
    if most_blocks < 1:
        raise ValueError("a part must have at least one block")
    places = np.asarray(coordinates, np.int64).reshape(-1, 3)
    order = np.lexsort(places.T)
    z = places[order, 2]
    ends = np.append(np.flatnonzero(z[1:] != z[:-1]) + 1, len(z)).tolist()
    begin, reached = 0, 0
    for end in ends:
        if end - begin > most_blocks and reached > begin:
            yield order[begin:reached]
            begin = reached
        reached = end
    if reached > begin:
        yield order[begin:reached]


def rles_header(runs: int) -> bytes:
    """The 12 bytes in front of the runs of `rles` and `sparsevol-coarse`.

    Args:
        runs: how many follow.

    Raises:
        ValueError: they are more than a uint32 can tell.
    """
    if not 0 <= runs < 1 << 32:
        raise ValueError(f"{runs} runs do not fit a sparse volume")
    return _RLES.pack(0, 3, 0, 0, 0, runs)


def encode_rles(runs: NDArray[np.int32]) -> bytes:
    """Encode runs as `rles`; without the header, `runs.tobytes()` is `srles`.

    Args:
        runs: int32 (n, 4).
    """
    return rles_header(len(runs)) + np.ascontiguousarray(runs, "<i4").tobytes()


def decode_rles(body: Buffer, limit: int) -> NDArray[np.int32]:
    """Decode `rles`. Bytes 1 to 7 of the header are not looked at, as the format wants it.

    Args:
        body: header and runs, nothing behind them.
        limit: most runs that it may hold.

    Returns:
        int32 (n, 4) as they stand: in any order, perhaps overlapping (see `joined_runs`).

    Raises:
        LabelFormatError: the header is cut off or of another kind, the number of runs is not that of the header or
            above the limit, or a run is not as `decode_runs` wants it.
    """
    view = memoryview(body).cast("B")
    if len(view) < _RLES.size:
        raise LabelFormatError("the header of the sparse volume is cut off")
    kind, *_, count = _RLES.unpack_from(view)
    if kind != 0:
        raise LabelFormatError(f"the sparse volume is of kind {kind}, not 0 (runs only)")
    if count * _RUN_BYTES != len(view) - _RLES.size:
        raise LabelFormatError(f"the sparse volume claims {count} runs but has {len(view) - _RLES.size} bytes of them")
    return decode_runs(view[_RLES.size :], limit)


def decode_runs(body: Buffer, limit: int) -> NDArray[np.int32]:
    """Decode `srles`: runs without a header.

    Args:
        body: the runs; may be empty.
        limit: most runs that it may hold.

    Returns:
        int32 (n, 4) as they stand.

    Raises:
        LabelFormatError: a run is cut off, its length is not positive, its end is no int32, or there are more than
            `limit` runs.
    """
    size = memoryview(body).nbytes
    if size % _RUN_BYTES:
        raise LabelFormatError("a run is cut off")
    if size // _RUN_BYTES > limit:
        raise LabelFormatError(f"there are {size // _RUN_BYTES} runs, more than {limit}")
    runs = np.frombuffer(body, "<i4").reshape(-1, 4).astype(np.int32)
    if (runs[:, 3] <= 0).any():
        raise LabelFormatError("a run's length is not positive")
    if (runs[:, 0] > _LARGEST - (runs[:, 3] - 1)).any():
        raise LabelFormatError("a run ends past the largest coordinate")
    return runs


def encode_coarse_volume(label: int, runs: NDArray[np.int32]) -> bytes:
    """One label of `sparsevols-coarse`.

    Args:
        label: the body.
        runs: int32 (n, 4), in blocks.
    """
    return struct.pack("<Qi", label, len(runs)) + np.ascontiguousarray(runs, "<i4").tobytes()


def binary_blocks_header(block_shape: Shape, label: int) -> bytes:
    """The 20 bytes in front of the pieces of `kernels.body_binary_blocks`.

    Args:
        block_shape: voxels of each block (x, y, z).
        label: the label as it was asked for.
    """
    x, y, z = (n // SIDE for n in check_shape(block_shape))
    return struct.pack("<3IQ", x, y, z, label)

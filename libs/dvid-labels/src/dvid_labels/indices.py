"""Label indices as they go over HTTP: LabelIndex, LabelIndices, the records of indices-compressed.

Many at once are decoded by `kernels.decode_indices` and encoded by `kernels.index_messages`.
"""

import struct
from collections.abc import Sequence

import lz4.block
import numpy as np
from numpy.typing import ArrayLike, NDArray

from dvid_labels import kernels
from dvid_labels.label_indices import LabelIndices
from dvid_labels.types import Buffer, Labels
from dvid_labels.wire import bytes_field

__all__ = [
    "compressed_index",
    "compressed_index_record",
    "decode_index",
    "encode_index",
    "encode_indices",
    "join_indices",
]

#: Format byte of a stored value: LZ4 without checksum.
_LZ4 = b"\x80"


def encode_index(
    label: int,
    coordinates: NDArray[np.int32],
    supervoxels: Labels,
    counts: NDArray[np.uint32],
    last_mutid: int = 0,
    last_mod_time: str = "",
    last_mod_user: str = "",
    last_mod_app: str = "",
    surface_mutids: ArrayLike = 0,
) -> bytes:
    """Encode one LabelIndex; for many at once use `kernels.index_messages`.

    Args:
        label: the body.
        coordinates: block of each row, int32 (n, 3) as x, y, z.
        supervoxels: supervoxel of each row, uint64 (n,).
        counts: its voxels in that block, uint32 (n,).
        last_mutid: the last mutation.
        last_mod_time: its time (RFC 3339).
        last_mod_user: who made it.
        last_mod_app: with what program.
        surface_mutids: mutation that last changed the surface in the block of each row, uint64 (n,) or one for all.

    Raises:
        ValueError: columns are not parallel, a coordinate is out of range, or a supervoxel is twice in a block.
    """
    rows = len(supervoxels)
    (message,) = kernels.index_messages(
        LabelIndices(
            np.array([label], np.uint64),
            np.array([0, rows], np.int64),
            coordinates,
            supervoxels,
            counts,
            np.broadcast_to(np.asarray(surface_mutids, np.uint64), (rows,)),
            np.array([last_mutid], np.uint64),
            (last_mod_time,),
            (last_mod_user,),
            (last_mod_app,),
        )
    )
    return message


def decode_index(body: Buffer) -> LabelIndices:
    """Decode one LabelIndex; see `kernels.read_indices`.

    Raises:
        LabelFormatError: the message is malformed.
    """
    return kernels.read_indices([body])


def encode_indices(indices: LabelIndices) -> bytes:
    """Encode a LabelIndices message.

    Raises:
        ValueError: columns are not parallel, a coordinate is out of range, or a supervoxel is twice in a block.
    """
    return join_indices(kernels.index_messages(indices))


def join_indices(messages: Sequence[Buffer]) -> bytes:
    """Put LabelIndex messages into one LabelIndices."""
    return b"".join(bytes_field(1, bytes(message)) for message in messages)


def compressed_index_record(message: Buffer) -> bytes:
    """A LabelIndex as the real server stores it: a format byte, its uint32 size, one LZ4 block."""
    packed: bytes = lz4.block.compress(message, store_size=True)
    return _LZ4 + packed


def compressed_index(label: int, message: Buffer | None) -> bytes:
    """One label of the stream of indices-compressed: uint64 size of the record, uint64 label, the record.

    Args:
        label: the label that was asked for.
        message: its LabelIndex, or None if there is none.
    """
    record = b"" if message is None else compressed_index_record(message)
    return struct.pack("<2Q", len(record), label) + record

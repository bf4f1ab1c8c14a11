"""Label indices and mappings as protocol buffers, native; `dvid_labels.numpy_messages` says what each one means."""

from collections.abc import Sequence

import dvid_kernels
import numpy as np

from dvid_labels.label_indices import LabelIndices, check_indices
from dvid_labels.native_errors import our_errors
from dvid_labels.types import Buffer, Labels

__all__ = ["decode_indices", "decode_mapping_ops", "encode_mapping_ops", "index_messages", "read_indices"]


def index_messages(indices: LabelIndices) -> list[bytes]:
    """Encode label indices, one LabelIndex message for each; see the numpy twin.

    Raises:
        ValueError: columns are not parallel, a coordinate is out of range, or a supervoxel is twice in a block.
    """
    ordered, keys = check_indices(indices)
    texts = (ordered.last_mod_times, ordered.last_mod_users, ordered.last_mod_apps)
    return dvid_kernels.index_messages(
        ordered.labels,
        ordered.firsts,
        keys,
        ordered.supervoxels,
        ordered.counts,
        ordered.surface_mutids,
        ordered.last_mutids,
        texts,
    )


def read_indices(messages: Sequence[Buffer]) -> LabelIndices:
    """Decode LabelIndex messages, rows sorted by z, y, x, supervoxel; see the numpy twin.

    Raises:
        LabelFormatError: a message is malformed; the text names its index.
    """
    with our_errors():
        return LabelIndices(*dvid_kernels.read_indices(messages))


def decode_indices(body: Buffer, limit: int) -> LabelIndices:
    """Decode a LabelIndices message of at most `limit` indices; see the numpy twin.

    Raises:
        LabelFormatError: the message is malformed or holds more.
    """
    with our_errors():
        return LabelIndices(*dvid_kernels.decode_indices(body, limit))


def decode_mapping_ops(body: Buffer, limit: int) -> tuple[Labels, Labels]:
    """Decode MappingOps: labels and what they become, uint64 (n,) each, in order; see the numpy twin.

    Raises:
        LabelFormatError: the message is malformed, or holds more than `limit` entries.
    """
    with our_errors():
        return dvid_kernels.decode_mapping_ops(body, limit)


def encode_mapping_ops(original: Labels, mapped: Labels, mutid: int = 0) -> bytes:
    """Encode MappingOps; neighbours with the same target share an operation.

    Raises:
        ValueError: the arrays are not parallel.
    """
    labels, targets = (np.require(column, np.uint64, ["C", "A"]) for column in (original, mapped))
    return dvid_kernels.encode_mapping_ops(labels, targets, mutid)

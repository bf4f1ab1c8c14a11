"""Sorted mappings in stored chunks, native; `dvid_labels.numpy_mapping` says what each function means."""

from collections.abc import Sequence

import dvid_kernels
import numpy as np
from numpy.typing import NDArray

from dvid_labels.native_errors import our_errors
from dvid_labels.types import Buffer, Labels, Mapping

__all__ = ["decode_mapping", "encode_mapping", "find_mapping", "sort_mapping"]

_UINT64 = np.dtype(np.uint64)


def _column(numbers: Labels) -> Labels:
    if numbers.dtype is _UINT64 and numbers.flags.carray:  # as most are: to require it takes longer
        return numbers
    return np.require(numbers, np.uint64, ["C", "A"])


def sort_mapping(source: Labels, target: Labels) -> Mapping:
    """Sort entries by source; of several of one source the last counts.

    Raises:
        ValueError: the arrays are not parallel.
    """
    return dvid_kernels.sort_mapping(_column(source), _column(target))


def encode_mapping(source: Labels, target: Labels, each: int) -> list[bytes]:
    """Encode sorted entries as chunks of `each` entries, the last one of what is left; see the numpy twin.

    Raises:
        ValueError: sources do not ascend strictly, the arrays are not parallel, or `each` is not 1 to 65536.
    """
    return dvid_kernels.encode_mapping(_column(source), _column(target), each)


def decode_mapping(chunks: Sequence[Buffer]) -> Mapping:
    """Decode chunks: all entries, uint64 (n,) each; see the numpy twin.

    Raises:
        LabelFormatError: a chunk is damaged; it has its number.
    """
    with our_errors():
        return dvid_kernels.decode_mapping(chunks)


def find_mapping(
    chunks: Sequence[Buffer], owners: NDArray[np.int64], labels: Labels
) -> tuple[NDArray[np.bool_], Labels]:
    """Look up labels, each in one chunk; see the numpy twin.

    Raises:
        LabelFormatError: a chunk is damaged; it has its number.
        ValueError: there is not one chunk for each label.
    """
    with our_errors():
        return dvid_kernels.find_mapping(chunks, np.require(owners, np.int64, ["C", "A"]), _column(labels))

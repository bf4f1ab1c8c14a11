"""Merges and cleaves of bodies that are one record each, native; the numpy twins say what each function means."""

from collections.abc import Sequence

import dvid_kernels
import numpy as np

from dvid_labels.body_records import Stamp
from dvid_labels.native_errors import our_errors
from dvid_labels.types import Buffer, Labels

__all__ = ["cleave_record", "merge_records", "record_share"]


def merge_records(label: int, records: Sequence[Buffer], stamp: Stamp) -> tuple[bytes, list[bytes], Labels]:
    """Merge bodies into one; see the numpy twin.

    Raises:
        LabelFormatError: a record is damaged.
        ValueError: there is none.
    """
    with our_errors():
        return dvid_kernels.merge_records(label, records, stamp)


def cleave_record(
    labels: tuple[int, int], record: Buffer, supervoxels: Labels, stamp: Stamp
) -> tuple[bytes, bytes, bytes]:
    """Make some supervoxels of a body a body of their own; see the numpy twin.

    Raises:
        LabelFormatError: the record is damaged.
        ValueError: supervoxels do not ascend, or all of the body would go, or nothing.
    """
    with our_errors():
        return dvid_kernels.cleave_record(labels, record, np.require(supervoxels, np.uint64, ["C", "A"]), stamp)


def record_share(record: Buffer, supervoxels: Labels) -> tuple[Labels, int]:
    """Find out which of some supervoxels a body has, and how many voxels these have in it; see the numpy twin.

    Raises:
        LabelFormatError: the record is damaged.
        ValueError: supervoxels do not ascend.
    """
    with our_errors():
        return dvid_kernels.record_share(record, np.require(supervoxels, np.uint64, ["C", "A"]))

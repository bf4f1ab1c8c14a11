"""Mappings as clients post and get them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from dvid_labels import kernels
from dvid_labels.types import Buffer, Labels, Mapping

from dvid_framework.api import Txn, VersionRecord, View
from dvid_labelmap.ops.bounds import bad_input

if TYPE_CHECKING:
    from dvid_labelmap.instance import LabelMapInstance

__all__ = ["decode_mappings", "mapping_pieces", "post_mappings"]

_MOST_ENTRIES = 64 << 20
_PIECE_ENTRIES = 1 << 17


def decode_mappings(body: Buffer) -> Mapping:
    """Return the entries of a MappingOps message in their order: from and to, uint64 (n,) each.

    Raises:
        BadRequest: it is no such message, or has too many entries.
    """
    with bad_input():
        return kernels.decode_mapping_ops(body, _MOST_ENTRIES)


def post_mappings(instance: LabelMapInstance, version: VersionRecord, txn: Txn, source: Labels, target: Labels) -> None:
    """Set entries at a version, and commit; a later one of the same supervoxel overrides.

    Raises:
        TooLarge: they are more than one mutation may have.
        Unavailable: the bodies of the instance are still being indexed.
    """
    instance.check_indexed()
    with instance.turn(instance.number_of(version)), instance.mappings.lock, instance.view(version) as view:
        instance.mappings.add(view, txn, source, target)
        if len(source):
            txn.mark_internal()
            txn.emit("mappings", Entries=len(source))
        txn.commit()


def mapping_pieces(instance: LabelMapInstance, view: View, *, is_binary: bool) -> Iterator[bytes]:
    """Yield all effective entries that map to something else: uint64 pairs, or lines `from to`."""
    for source, target in instance.mappings.chain(view).pieces():
        for first in range(0, len(source), _PIECE_ENTRIES):
            pairs = np.stack((source[first : first + _PIECE_ENTRIES], target[first : first + _PIECE_ENTRIES]), axis=1)
            pairs = pairs[pairs[:, 0] != pairs[:, 1]]
            if is_binary:
                yield pairs.astype("<u8").tobytes()
            elif len(pairs):
                yield ("%d %d\n" * len(pairs) % tuple(pairs.ravel().tolist())).encode()

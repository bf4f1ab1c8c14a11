"""The extents of versions as they are stored."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dvid_voxels.extents import Extents, encode_extents

from dvid_framework.api import Txn, VersionRecord
from dvid_labelmap.keys import EXTENTS

if TYPE_CHECKING:
    from dvid_labelmap.instance import LabelMapInstance

__all__ = ["set_extents", "write_extents"]


def write_extents(txn: Txn, extents: Extents) -> None:
    """Store a version's own extents."""
    txn.put(EXTENTS, encode_extents(extents))


def set_extents(instance: LabelMapInstance, version: VersionRecord, txn: Txn, extents: Extents) -> None:
    """Set a version's extents, whatever was written, and commit."""
    with instance.turn(instance.number_of(version)):
        write_extents(txn, extents)
        txn.mark_internal()
        txn.emit("extents", MinPoint=list(extents.min_point), MaxPoint=list(extents.max_point))
        txn.commit()

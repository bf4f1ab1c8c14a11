"""The extents of versions as they are stored."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dvid_voxels.extents import Extents, encode_extents

from dvid_framework.api import Txn, VersionRecord
from dvid_imageblk.keys import EXTENTS

if TYPE_CHECKING:
    from dvid_imageblk.instance import ImageInstance

__all__ = ["grow_extents", "set_extents"]


def grow_extents(instance: ImageInstance, number: int, txn: Txn, written: Extents) -> None:
    """Let a version's own extents reach around what is written."""
    own = instance.own_extents(number)
    grown = written if own is None else own.grown(written)
    if grown != own:
        txn.put(EXTENTS, encode_extents(grown))


def set_extents(instance: ImageInstance, version: VersionRecord, txn: Txn, extents: Extents) -> None:
    """Set a version's extents, whatever was written, and commit."""
    with instance.turn(instance.number_of(version)):
        txn.put(EXTENTS, encode_extents(extents))
        txn.mark_internal()
        txn.emit("extents", MinPoint=list(extents.min_point), MaxPoint=list(extents.max_point))
        txn.commit()

"""The extents of versions as they are stored."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from dvid_voxels.extents import Extents

from dvid_framework.api import Txn, VersionRecord
from dvid_imageblk.keys import EXTENTS

if TYPE_CHECKING:
    from dvid_imageblk.instance import ImageInstance

__all__ = ["grow_extents", "read_extents", "set_extents"]

_decode = msgspec.msgpack.Decoder(Extents).decode
_encode = msgspec.msgpack.Encoder().encode


def read_extents(value: memoryview | bytes) -> Extents:
    """Read a stored record."""
    return _decode(value)


def grow_extents(instance: ImageInstance, number: int, txn: Txn, written: Extents) -> None:
    """Let a version's own extents reach around what is written."""
    own = instance.own_extents(number)
    grown = written if own is None else own.grown(written)
    if grown != own:
        txn.put(EXTENTS, _encode(grown))


def set_extents(instance: ImageInstance, version: VersionRecord, txn: Txn, extents: Extents) -> None:
    """Set a version's extents, whatever was written, and commit."""
    with instance.turn(instance.number_of(version)):
        txn.put(EXTENTS, _encode(extents))
        txn.mark_internal()
        txn.emit("extents", MinPoint=list(extents.min_point), MaxPoint=list(extents.max_point))
        txn.commit()

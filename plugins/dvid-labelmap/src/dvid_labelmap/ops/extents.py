"""The extents of versions as they are stored."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from dvid_voxels.extents import Extents

from dvid_framework.api import Txn, VersionRecord
from dvid_labelmap.keys import EXTENTS

if TYPE_CHECKING:
    from dvid_labelmap.instance import LabelMapInstance

__all__ = ["read_extents", "set_extents", "write_extents"]

_decode = msgspec.msgpack.Decoder(Extents).decode
_encode = msgspec.msgpack.Encoder().encode


def read_extents(value: memoryview | bytes) -> Extents:
    """Read a stored record."""
    return _decode(value)


def write_extents(txn: Txn, extents: Extents) -> None:
    """Store a version's own extents."""
    txn.put(EXTENTS, _encode(extents))


def set_extents(instance: LabelMapInstance, version: VersionRecord, txn: Txn, extents: Extents) -> None:
    """Set a version's extents, whatever was written, and commit."""
    with instance.turn(instance.number_of(version)):
        write_extents(txn, extents)
        txn.mark_internal()
        txn.emit("extents", MinPoint=list(extents.min_point), MaxPoint=list(extents.max_point))
        txn.commit()

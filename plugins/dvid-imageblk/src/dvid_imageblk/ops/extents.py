"""The extents of versions as they are posted and stored."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from dvid_voxels.extents import Extents
from dvid_voxels.geometry import Triple

from dvid_framework.api import BadRequest, Txn, VersionRecord
from dvid_imageblk.keys import EXTENTS

if TYPE_CHECKING:
    from dvid_imageblk.instance import ImageInstance

__all__ = ["grow_extents", "parse_extents", "read_extents", "set_extents"]

_decode = msgspec.msgpack.Decoder(Extents).decode
_encode = msgspec.msgpack.Encoder().encode


class _Body(msgspec.Struct, rename={"low": "MinPoint", "high": "MaxPoint"}):
    low: list[int] = []
    high: list[int] = []


def parse_extents(body: bytes) -> Extents:
    """Parse `{"MinPoint": [x, y, z], "MaxPoint": [x, y, z]}`; missing numbers are 0.

    Raises:
        BadRequest: it is something else, a number is not an int32, or MinPoint lies behind MaxPoint.
    """
    try:
        found = msgspec.json.decode(body, type=_Body)
    except (msgspec.MsgspecError, RecursionError, ValueError) as error:
        raise BadRequest(f'extents must be {{"MinPoint": [x, y, z], "MaxPoint": [x, y, z]}}: {error}') from error
    low, high = _padded(found.low), _padded(found.high)
    if any(a > b for a, b in zip(low, high, strict=True)):
        raise BadRequest("MinPoint must not lie behind MaxPoint")
    return Extents(low, high, is_set=True)


def _padded(numbers: list[int]) -> Triple:
    if len(numbers) > 3 or any(not -(2**31) <= number < 2**31 for number in numbers):
        raise BadRequest("a point of the extents must be three integers of 32 bits")
    x, y, z = [*numbers, 0, 0, 0][:3]
    return x, y, z


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

"""The extents of versions: each keeps its own, and shows them together with those of its ancestors."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec
from dvid_voxels.geometry import Triple

from dvid_framework.api import BadRequest, Txn, VersionRecord
from dvid_labelmap.keys import EXTENTS
from dvid_labelmap.model import Extents

if TYPE_CHECKING:
    from dvid_labelmap.instance import LabelMapInstance

__all__ = ["extents_at", "parse_extents", "read_extents", "set_extents", "write_extents"]

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


def extents_at(version: int, own: Mapping[int, memoryview], parents: Callable[[int], Sequence[int]]) -> Extents | None:
    """Return the extents that a version shows: its own and its ancestors', up to where they were set.

    Args:
        version: id of the version.
        own: stored records by version id.
        parents: ids of a version's parents.
    """
    shown: Extents | None = None
    todo, seen = [version], {version}
    while todo:
        number = todo.pop()
        value = own.get(number)
        if value is not None:
            found = read_extents(value)
            shown = found if shown is None else shown.grown(found)
            if found.is_set:
                continue
        above = [parent for parent in parents(number) if parent not in seen]
        seen.update(above)
        todo.extend(above)
    return shown

"""The extents of a versioned volume: each version keeps its own, and shows them together with its ancestors'."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from dvid_voxels.geometry import INT32_MAX, INT32_MIN, Box, GeometryError, Triple

__all__ = ["Extents", "check_order", "decode_extents", "encode_extents", "extents_at", "parse_extents"]


@dataclass(frozen=True, slots=True)
class Extents:
    """The extents that one version has of its own.

    Attributes:
        min_point: first voxel (x, y, z).
        max_point: last voxel (x, y, z).
        is_set: they were set, so those of ancestors don't count any more.
    """

    min_point: tuple[int, int, int]
    max_point: tuple[int, int, int]
    is_set: bool = False

    def grown(self, other: "Extents") -> "Extents":
        """Return the smallest extents around both."""
        return Extents(
            _each(min, self.min_point, other.min_point), _each(max, self.max_point, other.max_point), self.is_set
        )

    @classmethod
    def of(cls, box: Box) -> "Extents":
        """Return the extents of a box of voxels."""
        return cls(box.offset, box.last)


encode_extents = msgspec.msgpack.Encoder().encode
"""Encode the extents that a version has of its own, as they are stored."""
decode_extents = msgspec.msgpack.Decoder(Extents).decode
"""The reverse of `encode_extents`."""


def _each(choose: Callable[[int, int], int], one: Triple, other: Triple) -> Triple:
    x, y, z = (choose(a, b) for a, b in zip(one, other, strict=True))
    return x, y, z


class _Body(msgspec.Struct, rename={"low": "MinPoint", "high": "MaxPoint"}):
    low: list[int] = []
    high: list[int] = []


def parse_extents(body: bytes) -> Extents:
    """Parse `{"MinPoint": [x, y, z], "MaxPoint": [x, y, z]}`, extents that are set; missing numbers are 0.

    Raises:
        GeometryError: it is something else, a number is not an int32, or MinPoint lies behind MaxPoint.
    """
    try:
        found = msgspec.json.decode(body, type=_Body)
    except (msgspec.MsgspecError, RecursionError, ValueError) as error:
        raise GeometryError(f'extents must be {{"MinPoint": [x, y, z], "MaxPoint": [x, y, z]}}: {error}') from error
    low, high = _padded(found.low), _padded(found.high)
    check_order(low, high)
    return Extents(low, high, is_set=True)


def _padded(numbers: list[int]) -> Triple:
    if len(numbers) > 3 or any(not INT32_MIN <= number <= INT32_MAX for number in numbers):
        raise GeometryError("a point of the extents must be three integers of 32 bits")
    x, y, z = [*numbers, 0, 0, 0][:3]
    return x, y, z


def check_order(low: Triple | None, high: Triple | None) -> None:
    """Check that the last voxel (x, y, z) does not lie behind the first along any axis; None fits everything.

    Raises:
        GeometryError: it does.
    """
    if low is not None and high is not None and any(a > b for a, b in zip(low, high, strict=True)):
        raise GeometryError("MinPoint must not lie behind MaxPoint")


def extents_at(
    version: int, stored: Mapping[int, bytes | memoryview], parents: Callable[[int], Sequence[int]]
) -> Extents | None:
    """Return the extents that a version shows: its own and its ancestors', up to where they were set.

    Args:
        version: id of the version.
        stored: what versions have of their own, as it is stored, by id.
        parents: ids of a version's parents.
    """
    shown: Extents | None = None
    todo, seen = [version], {version}
    while todo:
        number = todo.pop()
        if number in stored:
            found = decode_extents(stored[number])
            shown = found if shown is None else shown.grown(found)
            if found.is_set:
                continue
        above = [parent for parent in parents(number) if parent not in seen]
        seen.update(above)
        todo.extend(above)
    return shown

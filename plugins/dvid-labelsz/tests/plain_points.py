"""A plain type of points with labels for tests: each has a name, a kind, a label and a place.

It is called annotation, so that counts can follow it, and tells its followers what an annotation tells.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from dvid_framework.api import (
    LABEL_CHANGES,
    Answer,
    BlockMask,
    Datatype,
    Instance,
    InstanceRequest,
    LabelledPoints,
    VersionRecord,
    empty,
    hookimpl,
    post,
)

KINDS = ("Unknown", "PostSyn", "PreSyn", "Gap", "Note")
Point = tuple[int, int, tuple[int, int, int]]
"""Number of a kind, label, and place."""


class PointsInstance(Instance):
    """Points by their names."""

    def point_kinds(self) -> Sequence[str]:
        return KINDS

    def labelled_points(
        self, version: VersionRecord
    ) -> tuple[int, Iterator[tuple[int, NDArray[np.uint8], NDArray[np.int32]]]]:
        number = self.log.last_of(self.record.id)
        with self.view(version) as view:
            points = [msgspec.json.decode(value, type=Point) for _, value in view.scan()]
        rows = sorted((label, kind, place) for kind, label, place in points if label)
        return number, ((label, np.array([kind], np.uint8), np.array([place], np.int32)) for label, kind, place in rows)


@post("/set")
async def set_points(request: InstanceRequest[PointsInstance]) -> Answer:
    """Set points by their names, each [kind, label, [x, y, z]]; label 0 for none."""
    points = await request.read_json(dict[str, Point])

    def write() -> None:
        with request.instance.lock, request.begin() as txn:
            rows = []
            for name, (kind, label, place) in points.items():
                value = request.view.get(name.encode())
                before: Point = (kind, 0, place) if value is None else msgspec.json.decode(value, type=Point)
                rows += [(before[2], before[0], kind, before[1], 0), (place, kind, kind, 0, label)]
                txn.put(name.encode(), msgspec.json.encode((kind, label, place)))
            txn.emit("set", _LabelChanges=np.array(rows, LABEL_CHANGES).tobytes())

    await request.run(write)
    return empty()


class Points(Datatype):
    """Points with labels, for tests."""

    name = "annotation"
    url = "github.com/example/points"
    instance = PointsInstance
    routes = (set_points,)
    provides = (LabelledPoints,)


class HalfInstance(Instance):
    """The half of the world with x < 0, and nothing else."""

    def mask_block_size(self) -> tuple[int, int, int]:
        return (10, 10, 10)

    def block_mask(self, version: VersionRecord, first: tuple[int, int, int], count: tuple[int, int, int]) -> bytes:
        del version
        row = bytes(x < 0 for x in range(first[0], first[0] + count[0]))
        return row * (count[1] * count[2])


class Half(Datatype):
    """A region, for tests."""

    name = "half"
    url = "github.com/example/half"
    instance = HalfInstance
    provides = (BlockMask,)


@hookimpl
def dvid_datatypes() -> list[type[Datatype]]:
    return [Points, Half]

"""A plain segmentation for tests: a supervoxel for each block of 64 voxels, and bodies made of them.

It is named labelmap, so that annotations can follow it, and tells its followers what a labelmap tells.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from struct import pack, unpack

import numpy as np

from dvid_framework.api import (
    Answer,
    Datatype,
    FromPath,
    Instance,
    InstanceRequest,
    LabelsAt,
    VersionRecord,
    View,
    empty,
    hookimpl,
    post,
)

SIDE = 64


def block_key(block: Sequence[int]) -> bytes:
    return b"v" + pack("<3i", *block)


class PaintedInstance(Instance):
    """Blocks of one supervoxel each."""

    def labels_at(
        self, version: VersionRecord, points: Sequence[tuple[int, int, int]], supervoxels: bool = False
    ) -> Sequence[int]:
        with self.view(version) as view:
            found = []
            for point in points:
                value = view.get(block_key([side // SIDE for side in point]))
                supervoxel = 0 if value is None else unpack("<Q", value)[0]
                found.append(supervoxel if supervoxels else body_of(view, supervoxel))
            return found

    def label_block_size(self) -> tuple[int, int, int]:
        return (SIDE, SIDE, SIDE)


def body_of(view: View, supervoxel: int) -> int:
    value = view.get(b"m" + pack("<Q", supervoxel))
    return supervoxel if value is None else int(unpack("<Q", value)[0])


def members(view: View, bodies: Iterable[int]) -> list[int]:
    painted = {unpack("<Q", value)[0] for _, value in view.scan(b"v", b"w")}
    wanted = set(bodies)
    return [supervoxel for supervoxel in painted if body_of(view, supervoxel) in wanted]


Request = InstanceRequest[PaintedInstance]


@post("/paint/{label:str}")
async def paint(request: Request, label: FromPath[str]) -> Answer:
    """Write blocks, a JSON list of x, y, z."""
    blocks = await request.read_json(list[tuple[int, int, int]])

    def write() -> None:
        with request.begin() as txn:
            for block in blocks:
                txn.put(block_key(block), pack("<Q", int(label)))
            txn.emit("blocks", Scale=0, Blocks=np.array(blocks, "<i4").tobytes())
            txn.mark_internal()

    await request.run(write)
    return empty()


@post("/merge")
async def merge(request: Request) -> Answer:
    """Merge bodies into the first."""
    target, *others = await request.read_json(list[int])

    def write() -> None:
        with request.begin() as txn:
            for supervoxel in members(request.view, others):
                txn.put(b"m" + pack("<Q", supervoxel), pack("<Q", target))
            txn.emit("merge-complete", Target=target, Labels=others)

    await request.run(write)
    return empty()


@post("/cleave/{whole:str}/{label:str}")
async def cleave(request: Request, whole: FromPath[str], label: FromPath[str]) -> Answer:
    """Make supervoxels of a body another body."""
    supervoxels = await request.read_json(list[int])

    def write() -> None:
        with request.begin() as txn:
            for supervoxel in supervoxels:
                txn.put(b"m" + pack("<Q", supervoxel), pack("<Q", int(label)))
            txn.emit("cleave-complete", OrigLabel=int(whole), CleavedLabel=int(label), CleavedSupervoxels=supervoxels)

    await request.run(write)
    return empty()


@post("/renumber/{new:str}/{old:str}")
async def renumber(request: Request, new: FromPath[str], old: FromPath[str]) -> Answer:
    """Give a body another label."""

    def write() -> None:
        with request.begin() as txn:
            for supervoxel in members(request.view, [int(old)]):
                txn.put(b"m" + pack("<Q", supervoxel), pack("<Q", int(new)))
            txn.emit("renumber-complete", NewLabel=int(new), OrigLabel=int(old))

    await request.run(write)
    return empty()


class Painted(Datatype):
    """A segmentation of whole blocks, for tests."""

    name = "labelmap"
    url = "github.com/example/painted"
    instance = PaintedInstance
    routes = (paint, merge, cleave, renumber)
    provides = (LabelsAt,)


@hookimpl
def dvid_datatypes() -> list[type[Datatype]]:
    return [Painted]

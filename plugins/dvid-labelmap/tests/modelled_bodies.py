"""What the versions of a small labelmap should hold, in plain numpy and dictionaries: the model of its model test."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Labels = NDArray[np.uint64]
Triple = tuple[int, int, int]
Index = dict[Triple, dict[int, int]]
SIDE, GRID, FIRST = 16, 3, -9  # blocks -9..-7 lie in two chunks of an index
HALF = SIDE // 2
BLOCKS = list(np.ndindex(GRID, GRID, GRID))


class Logged(NamedTuple):
    """A mutation that may be undone: parts are bodies with their supervoxels, or (whole, split, remain); of the split
    of a body its new label and several of those."""

    number: int
    kind: str
    body: int
    parts: Any


@dataclass
class Version:
    """What one version holds: supervoxels uint64 (z, y, x) of the grid and of scale 1, mapping, log, splits."""

    voxels: Labels = field(default_factory=lambda: np.zeros((GRID * SIDE,) * 3, np.uint64))
    low: Labels = field(default_factory=lambda: np.zeros((GRID * HALF,) * 3, np.uint64))
    mapping: dict[int, int] = field(default_factory=dict)
    log: list[Logged] = field(default_factory=list)
    splits: list[tuple[str, list[int]]] = field(default_factory=list)
    strays: set[int] = field(default_factory=set)  # written while they were in no body
    ancestors: list[str] = field(default_factory=list)

    def child(self, uuid: str) -> Version:
        return Version(
            self.voxels.copy(),
            self.low.copy(),
            dict(self.mapping),
            list(self.log),
            list(self.splits),
            set(self.strays),
            [uuid, *self.ancestors],
        )

    def body_of(self, supervoxel: int) -> int:
        return self.mapping.get(supervoxel, supervoxel)

    def bodies(self) -> Labels:
        names, inverse = np.unique(self.voxels, return_inverse=True)
        mapped = np.array([self.body_of(int(name)) for name in names], np.uint64)
        return mapped[inverse.reshape(self.voxels.shape)]

    def indices(self) -> dict[int, Index]:
        found: dict[int, Index] = {}
        for z, y, x in BLOCKS:
            block = self.voxels[place(z, y, x)]
            for name, count in zip(*(part.tolist() for part in np.unique(block, return_counts=True)), strict=True):
                if self.body_of(name):
                    at = (x + FIRST, y + FIRST, z + FIRST)
                    found.setdefault(self.body_of(name), {}).setdefault(at, {})[name] = count
        return found

    def supervoxels(self) -> dict[int, dict[int, int]]:
        """The voxels of each supervoxel of each body."""
        found: dict[int, dict[int, int]] = {}
        for name, count in zip(*(part.tolist() for part in np.unique(self.voxels, return_counts=True)), strict=True):
            if self.body_of(name):
                found.setdefault(self.body_of(name), {})[name] = count
        return found

    def map(self, supervoxels: Any, body: int) -> None:
        self.mapping |= dict.fromkeys(supervoxels, body)

    def bring_down(self, halved: Callable[[Labels], Labels], changed: Any) -> None:
        for z, y, x in changed:
            low = tuple(slice(n * HALF, (n + 1) * HALF) for n in (z, y, x))
            self.low[low] = halved(self.voxels[place(z, y, x)])


def place(*block: int) -> tuple[slice, ...]:
    return tuple(slice(n * SIDE, (n + 1) * SIDE) for n in block)


def runs_of(mask: NDArray[np.bool_]) -> NDArray[np.int32]:
    """The runs of a mask of the grid along x."""
    edges = np.diff(mask.astype(np.int8), axis=2, prepend=0, append=0)
    (z, y, x), ends = np.nonzero(edges == 1), np.nonzero(edges == -1)[2]
    shift = FIRST * SIDE
    return np.stack((x + shift, y + shift, z + shift, ends - x), axis=1).astype(np.int32)

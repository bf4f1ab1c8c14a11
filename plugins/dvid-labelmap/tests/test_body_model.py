"""Random writes, merges, branches and restarts, against voxels and mappings kept in numpy: bodies always follow.

`DVID_BODY_EXAMPLES` and `DVID_BODY_STEPS` make it longer.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from dvid_labels.indices import decode_index, encode_index, join_indices
from dvid_labels.runs import decode_rles
from numpy.typing import NDArray

from dvid_framework.testing import Plugins, check
from dvid_framework.testing.running import ServerThread

Labels = NDArray[np.uint64]
Triple = tuple[int, int, int]
Index = dict[Triple, dict[int, int]]
EXAMPLES = int(os.environ.get("DVID_BODY_EXAMPLES", "30"))
STEPS = int(os.environ.get("DVID_BODY_STEPS", "20"))
SIDE, GRID, FIRST = 16, 3, -9  # blocks -9..-7 lie in two chunks of an index
LABELS = np.array([0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 2**40, 2**63 + 5], np.uint64)


@dataclass
class Version:
    """What one version holds: supervoxels uint64 (z, y, x) of the grid, written blocks, mapping, ids it was told of."""

    voxels: Labels = field(default_factory=lambda: np.zeros((GRID * SIDE,) * 3, np.uint64))
    mapping: dict[int, int] = field(default_factory=dict)

    def child(self) -> Version:
        return Version(self.voxels.copy(), dict(self.mapping))

    def body_of(self, supervoxel: int) -> int:
        return self.mapping.get(supervoxel, supervoxel)

    def bodies(self) -> Labels:
        names, inverse = np.unique(self.voxels, return_inverse=True)
        mapped = np.array([self.body_of(int(name)) for name in names], np.uint64)
        return mapped[inverse.reshape(self.voxels.shape)]

    def indices(self) -> dict[int, Index]:
        found: dict[int, Index] = {}
        for z, y, x in np.ndindex(GRID, GRID, GRID):
            block = self.voxels[tuple(slice(n * SIDE, (n + 1) * SIDE) for n in (z, y, x))]
            for name, count in zip(*(part.tolist() for part in np.unique(block, return_counts=True)), strict=True):
                if name:
                    at = (x + FIRST, y + FIRST, z + FIRST)
                    found.setdefault(self.body_of(name), {}).setdefault(at, {})[name] = count
        return found


def random_block(rng: np.random.Generator) -> Labels:
    kind = rng.integers(4)
    if kind == 0:
        return np.full((SIDE,) * 3, rng.choice(LABELS), np.uint64)
    coarse = rng.choice(rng.choice(LABELS, 4), (SIDE // 4,) * 3)
    return np.asarray(np.kron(coarse, np.ones((4,) * 3, np.uint64)), np.uint64)


class Session:
    """A server, its versions, and what they should hold."""

    def __init__(self, folder: Path, plugins: Callable[[], Plugins], volumes: SimpleNamespace, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.volumes = volumes
        self.server = ServerThread(folder, plugins=plugins())
        self.root = self.client.new_repo()
        self.client.new_instance(self.root, "labelmap", "seg", BlockSize=f"{SIDE},{SIDE},{SIDE}", MaxDownresLevel="1")
        self.known = {self.root: Version()}
        self.open = {self.root}
        self.at = self.root

    @property
    def client(self) -> Any:
        return self.server.client

    @property
    def model(self) -> Version:
        return self.known[self.at]

    def path(self, rest: str, version: str | None = None) -> str:
        return f"/api/node/{version or self.at}/seg/{rest}"

    # -- steps

    def raw(self) -> None:
        low = self.rng.integers(0, GRID, 3)
        count = self.rng.integers(1, GRID + 1 - low)
        parts = [slice(a * SIDE, (a + n) * SIDE) for a, n in zip(low, count, strict=True)]
        for z, y, x in np.ndindex(*count.tolist()):
            place = [slice((a + n) * SIDE, (a + n + 1) * SIDE) for a, n in zip(low, (z, y, x), strict=True)]
            self.model.voxels[tuple(place)] = random_block(self.rng)
        size, offset = (count * SIDE)[::-1], ((low + FIRST) * SIDE)[::-1]
        query = "?mutate=true" if self.rng.integers(2) else ""
        rest = f"raw/0_1_2/{self.volumes.joined(size)}/{self.volumes.joined(offset)}{query}"
        self.client.post(self.path(rest), self.model.voxels[tuple(parts)].tobytes()).ok()

    def some_blocks(self) -> bytes:
        places = {tuple(self.rng.integers(0, GRID, 3).tolist()) for _ in range(self.rng.integers(1, 5))}
        blocks = {}
        for z, y, x in places:
            labels = random_block(self.rng)
            self.model.voxels[tuple(slice(n * SIDE, (n + 1) * SIDE) for n in (z, y, x))] = labels
            at = (x + FIRST, y + FIRST, z + FIRST)
            blocks |= self.volumes.encoded(labels, at, (SIDE,) * 3)
        return bytes(self.volumes.stream_of(blocks))

    def blocks(self) -> None:
        query = self.rng.choice(["", "?downres=true"])
        self.client.post(self.path(f"blocks{query}"), self.some_blocks()).ok()

    def ingest(self) -> None:
        """The way of loaders: blocks without anything else, then the indices that changed."""
        before = self.model.indices()
        word = self.rng.choice(["ingest-supervoxels", "blocks?noindexing=true"])
        self.client.post(self.path(word), self.some_blocks()).ok()
        after = self.model.indices()
        messages = []
        for body in before.keys() | after.keys():
            index = after.get(body, {})
            rows = [(at, name, count) for at, counts in index.items() for name, count in counts.items()]
            at = np.array([row[0] for row in rows], np.int32).reshape(-1, 3)
            names, counts = (np.array([row[i] for row in rows], kind) for i, kind in ((1, np.uint64), (2, np.uint32)))
            messages.append(encode_index(body, at, names, counts))
        self.client.post(self.path("indices"), join_indices(messages)).ok()

    def merge(self) -> None:
        bodies = sorted(self.model.indices())
        if len(bodies) < 2:
            return
        target, *others = self.rng.permutation(np.array(bodies, np.uint64))[: self.rng.integers(2, 5)].tolist()
        self.client.post(self.path("merge?u=ann&app=test"), [target, *others, others[0]]).ok()
        index = self.model.indices()
        for body in others:
            for counts in index[body].values():
                self.model.mapping |= dict.fromkeys(counts, target)

    def restart(self) -> None:
        self.server.restart()

    def branch(self) -> None:
        parent = str(self.rng.choice(sorted(self.known)))
        if parent in self.open:
            self.client.commit(parent)
            self.open.remove(parent)
        child = self.client.child(parent, branch=f"b{len(self.known)}")
        self.known[child] = self.known[parent].child()
        self.open.add(child)

    def step(self) -> None:
        if self.rng.random() < 0.1:
            self.restart()
        self.at = str(self.rng.choice(sorted(self.open)))
        chosen = [self.raw, self.blocks, self.ingest, self.merge, self.merge, self.branch]
        chosen[self.rng.integers(len(chosen))]()
        for version in {self.at, str(self.rng.choice(sorted(self.known)))}:
            self.check(version)

    # -- what is so afterwards

    def check(self, version: str) -> None:
        model = self.known[version]
        bodies, indices = model.bodies(), model.indices()
        size, offset = "_".join([str(GRID * SIDE)] * 3), "_".join([str(FIRST * SIDE)] * 3)
        raw = self.client.get(self.path(f"raw/0_1_2/{size}/{offset}", version)).ok().body
        assert (np.frombuffer(raw, "<u8").reshape(bodies.shape) == bodies).all()
        names, counts = np.unique(bodies[bodies != 0], return_counts=True)
        listed = np.frombuffer(self.client.get(self.path("listlabels?sizes=true", version)).ok().body, "<u8")
        assert listed.reshape(-1, 2).tolist() == np.stack((names, counts.astype(np.uint64)), axis=1).tolist()
        assert self.client.json(self.path("existing-labels", version)) == names.tolist()
        asked = sorted({int(label) for label in LABELS} | {77})
        supervoxels = dict(zip(*(part.tolist() for part in np.unique(model.voxels, return_counts=True)), strict=True))
        reply = self.client.get(self.path("sizes?supervoxels=true", version), asked).ok().json()
        assert reply == [supervoxels.get(label, 0) if label else 0 for label in asked]
        own = {body for body, index in indices.items() if any(body in counts for counts in index.values())}
        expected = [model.mapping.get(label, label if label in own else 0) for label in asked]
        assert self.client.get(self.path("mapping", version), asked).ok().json() == expected
        if len(names):
            self.check_body(version, int(self.rng.choice(names)), indices, bodies)

    def check_body(self, version: str, body: int, indices: dict[int, Index], bodies: Labels) -> None:
        index = indices[body]
        found = decode_index(self.client.get(self.path(f"index/{body}", version)).ok().body)
        rows: Index = {}
        for at, name, count in zip(
            found.coordinates.tolist(), found.supervoxels.tolist(), found.counts.tolist(), strict=True
        ):
            rows.setdefault(tuple(at), {})[name] = count
        assert rows == index
        total: Counter[int] = Counter()
        for counts in index.values():
            total.update(counts)
        sizes = self.client.json(self.path(f"supervoxel-sizes/{body}", version))
        assert dict(zip(sizes["supervoxels"], sizes["sizes"], strict=True)) == dict(total)
        places = np.array(sorted(index))
        box = self.client.json(self.path(f"sparsevol-size/{body}", version))
        assert box == {
            "voxels": sum(total.values()),
            "numblocks": len(index),
            "minvoxel": (places.min(axis=0) * SIDE).tolist(),
            "maxvoxel": (places.max(axis=0) * SIDE + SIDE - 1).tolist(),
        }
        runs = decode_rles(self.client.get(self.path(f"sparsevol/{body}", version)).ok().body, 1 << 20)
        filled = np.zeros(bodies.shape, bool)
        for x, y, z, length in (runs - [FIRST * SIDE, FIRST * SIDE, FIRST * SIDE, 0]).tolist():
            assert not filled[z, y, x : x + length].any()
            filled[z, y, x : x + length] = True
        assert (filled == (bodies == np.uint64(body))).all()


@pytest.mark.parametrize("seed", range(EXAMPLES))
def test_bodies_follow_voxels(
    seed: int, tmp_path: Path, plugins: Callable[[], Plugins], volumes: SimpleNamespace
) -> None:
    session = Session(tmp_path, plugins, volumes, seed)
    try:
        for _ in range(STEPS):
            session.step()
        for version in session.known:
            session.check(version)
        server = session.server.server
        assert check(server.stores, server.repos, server.instances).clean
    finally:
        session.server.stop()

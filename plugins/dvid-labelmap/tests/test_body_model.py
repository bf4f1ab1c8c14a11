"""Random writes, proofreading, branches and restarts, against voxels and mappings kept in numpy: bodies always follow.

After each step every version is read whole: voxels of both scales, bodies, sizes, indices, mappings, splits.
`DVID_BODY_EXAMPLES` and `DVID_BODY_STEPS` make it longer.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from dvid_labelmap.ops import body_records
from dvid_labels import kernels
from dvid_labels.indices import encode_index, join_indices
from dvid_labels.runs import decode_rles, encode_rles
from modelled_bodies import BLOCKS, FIRST, GRID, HALF, SIDE, Index, Labels, Logged, Triple, Version, place, runs_of
from numpy.typing import NDArray

from dvid_framework.testing import Config, Plugins, ServerSettings, check
from dvid_framework.testing.running import ServerThread

EXAMPLES = int(os.environ.get("DVID_BODY_EXAMPLES", "50"))
STEPS = int(os.environ.get("DVID_BODY_STEPS", "30"))
RESTARTS = 0.02  # of the steps begin with one
QUICK = 3  # examples that always run; the others are slow
MOST_VERSIONS = 6
LABELS = np.array([0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 2**40, 2**63 + 5], np.uint64)


class Session:
    """A server, its versions, and what they should hold."""

    def __init__(self, folder: Path, plugins: Callable[[], Plugins], volumes: SimpleNamespace, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.volumes = volumes
        self.server = ServerThread(folder, Config(server=ServerSettings(allow_labelmap_split=True)), plugins=plugins())
        self.root = self.client.new_repo()
        self.client.new_instance(self.root, "labelmap", "seg", BlockSize=f"{SIDE},{SIDE},{SIDE}", MaxDownresLevel="1")
        self.known = {self.root: Version(ancestors=[self.root])}
        self.open = {self.root}
        self.at = self.root
        self.expected: dict[str, tuple[Labels, dict[int, Index], dict[int, dict[int, int]]]] = {}  # by version
        self.used: set[int] = set()  # written or given at any version

    @property
    def client(self) -> Any:
        return self.server.client

    @property
    def model(self) -> Version:
        return self.known[self.at]

    def path(self, rest: str, version: str | None = None) -> str:
        return f"/api/node/{version or self.at}/seg/{rest}"

    def post(self, rest: str, body: Any = b"") -> Any:
        return self.client.post(self.path(rest), body)

    def some(self, members: Any, least: int, most: int) -> list[int]:
        names = np.array(sorted(members), np.uint64)
        chosen: list[int] = self.rng.permutation(names)[: self.rng.integers(least, most + 1)].tolist()
        return chosen

    def fresh(self, label: int) -> int:
        """A label that was never given before."""
        assert label not in self.used
        self.used.add(label)
        return label

    # -- voxels

    def random_block(self, indexed: bool = True) -> Labels:
        labels = np.append(LABELS, np.unique(self.model.voxels)) if self.rng.integers(2) else LABELS
        if not indexed:  # an undo does not find what loaders wrote without telling
            labels = np.array([label for label in labels.tolist() if self.model.body_of(label) or not label], np.uint64)
        coarse = self.rng.choice(self.rng.choice(labels, 4), (SIDE // 4,) * 3)
        if not self.rng.integers(4):
            coarse[:] = coarse[0, 0, 0]
        names = np.unique(coarse).tolist()
        self.used.update(names)
        self.model.strays.update(name for name in names if name and not self.model.body_of(name))
        return np.asarray(coarse.repeat(4, 0).repeat(4, 1).repeat(4, 2), np.uint64)

    def raw(self) -> None:
        low = self.rng.integers(0, GRID, 3)
        count = self.rng.integers(1, GRID + 1 - low)
        parts = tuple(slice(a * SIDE, (a + n) * SIDE) for a, n in zip(low, count, strict=True))
        written = [tuple(int(a) + n for a, n in zip(low, at, strict=True)) for at in np.ndindex(*count.tolist())]
        for block in written:
            self.model.voxels[place(*block)] = self.random_block()
        size, offset = (count * SIDE)[::-1], ((low + FIRST) * SIDE)[::-1]
        query = "?mutate=true" if self.rng.integers(2) else ""
        rest = f"raw/0_1_2/{self.volumes.joined(size)}/{self.volumes.joined(offset)}{query}"
        self.post(rest, self.model.voxels[parts].tobytes()).ok()
        self.model.bring_down(self.volumes.halved, written)

    def some_blocks(self, indexed: bool = True) -> tuple[bytes, Any]:
        places = {BLOCKS[i] for i in self.rng.integers(0, len(BLOCKS), self.rng.integers(1, 5))}
        blocks = {}
        for z, y, x in sorted(places):
            labels = self.random_block(indexed)
            self.model.voxels[place(z, y, x)] = labels
            blocks |= self.volumes.encoded(labels, (x + FIRST, y + FIRST, z + FIRST), (SIDE,) * 3)
        return bytes(self.volumes.stream_of(blocks)), places

    def blocks(self) -> None:
        query = self.rng.choice(["", "?downres=true"])
        body, places = self.some_blocks()
        self.post(f"blocks{query}", body).ok()
        if query:
            self.model.bring_down(self.volumes.halved, places)

    def ingest(self) -> None:
        """The way of loaders: blocks without anything else, then the indices that changed."""
        before = self.model.indices()
        self.post(self.rng.choice(["ingest-supervoxels", "blocks?noindexing=true"]), self.some_blocks(False)[0]).ok()
        after = self.model.indices()
        messages = []
        for body in before.keys() | after.keys():
            index = after.get(body, {})
            rows = [(at, name, count) for at, counts in index.items() for name, count in counts.items()]
            at = np.array([row[0] for row in rows], np.int32).reshape(-1, 3)
            names, counts = (np.array([row[i] for row in rows], kind) for i, kind in ((1, np.uint64), (2, np.uint32)))
            messages.append(encode_index(body, at, names, counts))
        self.post("indices", join_indices(messages)).ok()

    # -- bodies

    def merge(self) -> None:
        members = self.model.supervoxels()
        if len(members) < 2:
            return
        target, *others = self.some(members, 2, 4)
        number = self.post("merge?u=ann&app=test", [target, *others, others[0]]).ok().json()["MutationID"]
        parts = {body: set(members[body]) for body in others}
        for names in parts.values():
            self.model.map(names, target)
        self.model.log.append(Logged(number, "merge", target, parts))

    def cleave(self) -> None:
        members = {body: names for body, names in self.model.supervoxels().items() if len(names) > 1}
        if not members:
            return
        (body,) = self.some(members, 1, 1)
        cleaved = self.some(members[body], 1, len(members[body]))
        reply = self.post(f"cleave/{body}", cleaved)
        if len(cleaved) == len(members[body]):
            assert reply.status == 400
            return
        answer = reply.ok().json()
        label = self.fresh(answer["CleavedLabel"])
        self.model.map(cleaved, label)
        self.model.mapping[label] = 0
        self.model.log.append(Logged(answer["MutationID"], "cleave", body, {label: set(cleaved)}))

    def renumber(self) -> None:
        members = self.model.supervoxels()
        if not members:
            return
        (old,) = self.some(members, 1, 1)
        new = int(self.rng.choice(np.array([77, max(self.used) + 3, *members[old], *members], np.uint64)))
        reply = self.post("renumber", [new, old])
        if new in members:
            assert reply.status == 400
            return
        reply.ok()
        self.used.add(new)
        number = self.client.json(self.path("mutations"))[-1]["MutationID"]
        self.model.mapping.setdefault(new, 0)
        self.model.map(members[old], new)
        self.model.log.append(Logged(number, "renumber", new, old))

    def split(self) -> None:
        model, members = self.model, self.model.supervoxels()
        if not members:
            return
        (body,) = self.some(members, 1, 1)
        (whole,) = self.some(members[body], 1, 1)
        whole_at = model.voxels == np.uint64(whole)
        chosen = whole_at & (self.rng.random((2, 1, 1, 1)) < self.rng.random((1, *whole_at.shape))).any(axis=0)
        if self.rng.integers(2):
            chosen = whole_at & (np.arange(GRID * SIDE) > np.median(np.nonzero(whole_at)[2]))
        wrong = not self.rng.integers(4)
        if wrong:
            chosen = chosen ^ (np.indices(chosen.shape).sum(axis=0) == self.rng.integers(3 * GRID * SIDE))
        runs = self.rng.permutation(runs_of(chosen))
        reply = self.post(f"split-supervoxel/{whole}", encode_rles(runs))
        count = chosen.sum()
        if not 0 < count < whole_at.sum() or (chosen & ~whole_at).any():
            assert reply.status == 400
            return
        answer = reply.ok().json()
        split, remain = self.fresh(answer["SplitSupervoxel"]), self.fresh(answer["RemainSupervoxel"])
        model.voxels[whole_at] = remain
        model.voxels[chosen] = split
        model.bring_down(self.volumes.halved, [at for at in BLOCKS if whole_at[place(*at)].any()])
        model.mapping |= {split: body, remain: body, whole: 0}
        model.splits.append((self.at, [answer["MutationID"], whole, remain, split]))
        model.log.append(Logged(answer["MutationID"], "split", body, (whole, split, remain)))

    def split_body(self) -> None:
        """Voxels of several supervoxels become a body; some may go with all of theirs."""
        model, members = self.model, self.model.supervoxels()
        if not members:
            return
        (body,) = self.some(members, 1, 1)
        body_at = model.bodies() == np.uint64(body)
        whole = np.isin(model.voxels, np.array(self.some(members[body], 0, 2), np.uint64))
        chosen = body_at & (whole | (np.arange(GRID * SIDE)[:, None, None] < self.rng.integers(GRID * SIDE)))
        if not self.rng.integers(4):
            chosen = chosen ^ (np.indices(chosen.shape).sum(axis=0) == self.rng.integers(3 * GRID * SIDE))
        chosen &= model.voxels != 0
        reply = self.post(f"split/{body}", encode_rles(self.rng.permutation(runs_of(chosen))))
        if not 0 < chosen.sum() < body_at.sum() or (chosen & ~body_at).any():
            assert reply.status == 400
            return
        answer = reply.ok().json()
        label, number = self.fresh(answer["label"]), answer["MutationID"]
        parts = self.client.json(self.path("mutations"))[-1]["SVSplits"]
        assert sorted(int(name) for name in parts) == np.unique(model.voxels[chosen]).tolist()
        touched = [(int(name), self.fresh(two["Split"]), self.fresh(two["Remain"])) for name, two in parts.items()]
        for sv, split, remain in sorted(touched):
            here = model.voxels == np.uint64(sv)
            model.bring_down(self.volumes.halved, self.give(here, remain) | self.give(here & chosen, split))
            model.mapping |= {split: label, remain: body, sv: 0}
            model.splits.append((self.at, [number, sv, remain, split]))
        model.log.append(Logged(number, "split_body", body, (label, touched)))

    def give(self, where: NDArray[np.bool_], label: int) -> set[Triple]:
        """Give voxels a label; returns the blocks that have some of them."""
        self.model.voxels[where] = label
        return {at for at in BLOCKS if where[place(*at)].any()}

    # -- undo

    def undo(self) -> None:
        if not self.model.log:
            return
        logged = self.model.log[int(self.rng.integers(max(0, len(self.model.log) - 6), len(self.model.log)))]
        reply = self.post(f"undo/{logged.number}")
        allowed = getattr(self, f"undone_{logged.kind}")(logged)
        assert (logged, reply.status) == (logged, 200 if allowed else 409)
        if isinstance(allowed, Logged):
            self.model.log.append(allowed._replace(number=reply.json()["MutationID"]))

    def undone_merge(self, logged: Logged) -> Logged | None:
        members, target = self.model.supervoxels(), logged.body
        moved = set().union(*logged.parts.values())
        there = members.get(target, {})
        if any(part in members for part in logged.parts) or any(self.model.body_of(sv) != target for sv in moved):
            return None
        if not all(names & there.keys() for names in logged.parts.values()) or there.keys() <= moved:
            return None
        for part, names in logged.parts.items():
            self.model.map(names, part)
        return logged._replace(kind="cleave")

    def undone_cleave(self, logged: Logged) -> Logged | None:
        members, body = self.model.supervoxels(), logged.body
        if body not in members or any(part not in members for part in logged.parts):
            return None
        for part, names in logged.parts.items():
            if members[part].keys() - names or any(self.model.body_of(sv) not in (part, body) for sv in names):
                return None
        found = {part: set(members[part]) for part in logged.parts}
        for names in logged.parts.values():
            self.model.map(names, body)
        return logged._replace(kind="merge", parts=found)

    def undone_renumber(self, logged: Logged) -> Logged | None:
        members, new, old = self.model.supervoxels(), logged.body, logged.parts
        if new not in members or old in members:
            return None
        self.model.map(members[new], old)
        return logged._replace(body=old, parts=new)

    def undone_split(self, logged: Logged) -> bool:
        model, (whole, split, remain) = self.model, logged.parts
        body = model.body_of(split)
        parts = (model.voxels == np.uint64(split)) | (model.voxels == np.uint64(remain))
        if not body or model.body_of(remain) != body or model.body_of(whole) or whole in model.strays:
            return False
        if not parts.any():
            return False
        model.voxels[parts] = whole
        model.bring_down(self.volumes.halved, [at for at in BLOCKS if parts[place(*at)].any()])
        model.mapping |= {whole: body, split: 0, remain: 0}
        model.splits = [split for split in model.splits if split[1][0] != logged.number]
        return True

    def undone_split_body(self, logged: Logged) -> bool:
        model, (label, touched) = self.model, logged.parts
        names = {part for _, split, remain in touched for part in (split, remain)}
        if any(model.body_of(sv) or sv in model.strays for sv, _, _ in touched):
            return False
        if any(model.body_of(split) != label or model.body_of(remain) != logged.body for _, split, remain in touched):
            return False
        members = model.supervoxels()
        if members.get(label, {}).keys() - names or not names & {sv for found in members.values() for sv in found}:
            return False
        for sv, split, remain in touched:
            where = np.isin(model.voxels, np.array([split, remain], np.uint64))
            model.bring_down(self.volumes.halved, self.give(where, sv))
            model.mapping |= {sv: logged.body, split: 0, remain: 0}
        model.splits = [split for split in model.splits if split[1][0] != logged.number]
        return True

    # -- versions

    def branch(self) -> None:
        if len(self.known) >= MOST_VERSIONS:
            return
        parent = str(self.rng.choice(sorted(self.known)))
        if parent in self.open:
            self.client.commit(parent)
            self.open.remove(parent)
        child = self.client.child(parent, branch=f"b{len(self.known)}")
        self.known[child] = self.known[parent].child(child)
        self.open.add(child)

    def step(self) -> None:
        if self.rng.random() < RESTARTS:
            self.server.restart()
        self.at = str(self.rng.choice(sorted(self.open)))
        body_records.MOST_WHOLE = int(self.rng.choice((0, 250, 700, 4096)))  # bodies are stored in both forms
        many = [self.merge, self.merge, self.cleave, self.split, self.split_body, self.renumber, self.undo, self.undo]
        chosen = [self.raw, self.blocks, self.ingest, self.branch, *many]
        chosen[self.rng.integers(len(chosen))]()
        self.expected.pop(self.at, None)
        for version in self.known:
            self.check(version)

    # -- what is so afterwards

    def volume(self, version: str, side: int, first: int, query: str) -> Labels:
        size, offset = "_".join([str(side)] * 3), "_".join([str(first)] * 3)
        raw = self.client.get(self.path(f"raw/0_1_2/{size}/{offset}{query}", version)).ok().body
        return np.frombuffer(raw, "<u8").reshape((side,) * 3)

    def check(self, version: str) -> None:
        model = self.known[version]
        if version not in self.expected:
            self.expected[version] = model.bodies(), model.indices(), model.supervoxels()
        bodies, indices, members = self.expected[version]
        assert (self.volume(version, GRID * SIDE, FIRST * SIDE, "") == bodies).all()
        assert (self.volume(version, GRID * SIDE, FIRST * SIDE, "?supervoxels=true") == model.voxels).all()
        assert (self.volume(version, GRID * HALF, FIRST * HALF, "?supervoxels=true&scale=1") == model.low).all()
        listed = np.frombuffer(self.client.get(self.path("listlabels?sizes=true", version)).ok().body, "<u8")
        assert listed.reshape(-1, 2).tolist() == [[body, sum(members[body].values())] for body in sorted(members)]
        asked = sorted(self.used | {int(label) for label in LABELS})
        sizes = {name: count for names in members.values() for name, count in names.items()}
        reply = self.client.get(self.path("sizes?supervoxels=true", version), asked).ok().json()
        assert reply == [sizes.get(label, 0) for label in asked]
        own = {body for body, index in indices.items() if any(body in counts for counts in index.values())}
        expected = [model.mapping.get(label, label if label in own else 0) for label in asked]
        assert self.client.get(self.path("mapping", version), asked).ok().json() == expected
        self.check_splits(version)
        self.check_indices(version, indices)
        for body in self.some(members, 0, 1):
            self.check_body(version, indices[body], members[body], bodies == np.uint64(body), body)

    def check_splits(self, version: str) -> None:
        model, expected = self.known[version], []
        for uuid in model.ancestors:
            splits = [split for at, split in model.splits if at == uuid]
            expected += [uuid, splits] if splits else []
        assert self.client.json(self.path("supervoxel-splits", version)) == expected

    def check_indices(self, version: str, indices: dict[int, Index]) -> None:
        body = self.client.get(self.path("indices", version), sorted(indices)).ok().body
        found = kernels.decode_indices(body, 1 << 20)
        owners = np.repeat(found.labels, np.diff(found.firsts)).tolist()
        rows: dict[int, Index] = {}
        for owner, at, name, count in zip(
            owners, found.coordinates.tolist(), found.supervoxels.tolist(), found.counts.tolist(), strict=True
        ):
            rows.setdefault(owner, {}).setdefault(tuple(at), {})[name] = count
        assert rows == indices

    def check_body(
        self, version: str, index: Index, total: dict[int, int], where: NDArray[np.bool_], body: int
    ) -> None:
        sizes = self.client.json(self.path(f"supervoxel-sizes/{body}", version))
        assert dict(zip(sizes["supervoxels"], sizes["sizes"], strict=True)) == total
        places = np.array(sorted(index))
        box = self.client.json(self.path(f"sparsevol-size/{body}", version))
        assert box == {
            "voxels": sum(total.values()),
            "numblocks": len(index),
            "minvoxel": (places.min(axis=0) * SIDE).tolist(),
            "maxvoxel": (places.max(axis=0) * SIDE + SIDE - 1).tolist(),
        }
        runs = decode_rles(self.client.get(self.path(f"sparsevol/{body}", version)).ok().body, 1 << 20)
        x, y, z, length = (runs - [FIRST * SIDE, FIRST * SIDE, FIRST * SIDE, 0]).T
        filled = np.zeros((GRID * SIDE, GRID * SIDE, GRID * SIDE + 1), np.int8)
        np.add.at(filled, (z, y, x), 1)
        np.subtract.at(filled, (z, y, x + length), 1)
        assert (np.cumsum(filled, axis=2)[..., :-1] == where).all()


def quick_and_slow(count: int) -> list[Any]:
    return [pytest.param(seed, marks=[] if seed < QUICK else [pytest.mark.slow]) for seed in range(count)]


@pytest.mark.parametrize("seed", quick_and_slow(EXAMPLES))
def test_bodies_follow_voxels(
    seed: int,
    tmp_path: Path,
    plugins: Callable[[], Plugins],
    volumes: SimpleNamespace,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(body_records, "MOST_WHOLE", body_records.MOST_WHOLE)
    session = Session(tmp_path, plugins, volumes, seed)
    try:
        for _ in range(STEPS):
            session.step()
        server = session.server.server
        assert check(server.stores, server.repos, server.instances).clean
    finally:
        session.server.stop()

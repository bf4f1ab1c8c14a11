"""Synapses, the bodies that they are in and the counts by body: three types, one truth, whatever happens.

What the segmentation says at the places of the elements is what the lists of labels must hold, and what those hold is
what must be counted: after any changes, in every version, after restarts, and after kills in the middle of writes.
"""

from __future__ import annotations

import http.client
import json
import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dvid_framework.testing.client import Client
from dvid_framework.testing.crash import fsck_problems
from dvid_framework.testing.jobs import run_job_among_kills
from dvid_framework.testing.pytest_plugin import ProcessFactory, ServerFactory

SIDE = 64
KINDS = ("Unknown", "PostSyn", "PreSyn", "Gap", "Note")
SYNAPSES = {"PostSyn", "PreSyn", "Gap"}


class World:
    """A repo with a segmentation of 64^3 voxels, synapses and counts, and what can be done to them at random."""

    def __init__(self, client: Client, seed: int) -> None:
        self.client = client
        self.chance = random.Random(seed)
        self.uuid = client.new_repo()
        self.versions = [self.uuid]
        client.new_instance(self.uuid, "labelmap", "seg", BlockSize="16,16,16")
        client.new_instance(self.uuid, "annotation", "syn")
        client.new_instance(self.uuid, "labelsz", "sz")
        client.post(f"/api/node/{self.uuid}/syn/sync", {"sync": "seg"}).ok()
        client.post(f"/api/node/{self.uuid}/sz/sync", {"sync": "syn"}).ok()

    def at(self, rest: str) -> str:
        return f"/api/node/{self.uuid}/{rest}"

    def place(self) -> list[int]:
        return [self.chance.randrange(-4, SIDE + 4) for _ in range(3)]

    def bodies(self) -> list[int]:
        found: list[int] = np.frombuffer(self.client.get(self.at("seg/listlabels?number=1000")).body, "<u8").tolist()
        return [label for label in found if label]

    # -- what can be done; refusals are part of life

    def post(self) -> None:
        elements = [
            {
                "Pos": self.place(),
                "Kind": self.chance.choice(KINDS),
                "Tags": self.chance.sample(["a", "b", "c"], self.chance.randrange(3)),
                "Rels": [{"Rel": "PreSynTo", "To": self.place()}],
            }
            for _ in range(self.chance.choice([1, 3, 40]))
        ]
        self.client.post(self.at("syn/elements"), elements)

    def some_element(self) -> str | None:
        elements = self.client.get(self.at("syn/elements/100_100_100/-10_-10_-10")).json()
        return "_".join(map(str, self.chance.choice(elements)["Pos"])) if elements else None

    def delete(self) -> None:
        place = self.some_element()
        if place is not None:
            self.client.delete(self.at(f"syn/element/{place}"))

    def move(self) -> None:
        place = self.some_element()
        if place is not None:
            self.client.post(self.at(f"syn/move/{place}/{'_'.join(map(str, self.place()))}"))

    def paint(self) -> None:
        offset = [16 * self.chance.randrange(3) for _ in range(3)]
        labels = np.array([self.chance.randrange(12) for _ in range(64)], "<u8").reshape(4, 4, 4)
        voxels = labels.repeat(8, 0).repeat(8, 1).repeat(8, 2)
        where = "_".join(map(str, offset))
        mutate = self.chance.choice(["", "?mutate=true"])
        self.client.post(self.at(f"seg/raw/0_1_2/32_32_32/{where}{mutate}"), voxels.tobytes())

    def merge(self) -> None:
        bodies = self.bodies()
        self.client.post(self.at("seg/merge"), self.chance.sample(bodies, min(len(bodies), self.chance.choice([2, 3]))))

    def cleave(self) -> None:
        bodies = self.bodies()
        if bodies:
            body = self.chance.choice(bodies)
            supervoxels = self.client.get(self.at(f"seg/supervoxels/{body}")).json()
            self.client.post(self.at(f"seg/cleave/{body}"), self.chance.sample(supervoxels, 1))

    def renumber(self) -> None:
        bodies = self.bodies()
        if bodies:
            new = self.chance.choice([self.chance.randrange(1, 12), self.chance.randrange(1000, 9999)])
            self.client.post(self.at("seg/renumber"), [new, self.chance.choice(bodies)])

    def undo(self) -> None:
        logged = self.client.get(self.at("seg/mutations")).json()
        if logged:
            self.client.post(self.at(f"seg/undo/{self.chance.choice(logged)['MutationID']}"))

    def commit(self) -> None:
        self.client.commit(self.uuid)
        parent = self.uuid
        self.uuid = self.client.child(parent)
        self.versions.append(self.uuid)
        if self.chance.randrange(2):
            self.versions.append(self.client.child(parent, f"side{len(self.versions)}"))
            self.uuid = self.chance.choice(self.versions[-2:])

    def step(self) -> None:
        often = [self.post, self.post, self.delete, self.move, self.paint, self.paint]
        rarely = [self.merge, self.merge, self.cleave, self.renumber, self.undo, self.commit]
        self.chance.choice(often + rarely)()

    # -- what must be

    def check(self) -> None:
        for uuid in self.versions:
            check_version(self.client, uuid)


def fetched(client: Client, path: str) -> Any:
    deadline = time.monotonic() + 60
    while (reply := client.get(path)).status == 503:
        assert time.monotonic() < deadline, reply.text
        time.sleep(0.02)
    return reply.ok().json()


def named(elements: Any) -> list[Any]:
    return sorted(((one["Pos"], one["Kind"], sorted(one["Tags"])) for one in elements), key=str)


def check_version(client: Client, uuid: str) -> None:
    path = f"/api/node/{uuid}"
    elements = [one for block in fetched(client, f"{path}/syn/all-elements").values() for one in block]
    assert len({tuple(one["Pos"]) for one in elements}) == len(elements)
    for tag in ("a", "b", "c"):
        assert named(fetched(client, f"{path}/syn/tag/{tag}")) == named(o for o in elements if tag in o["Tags"])
    places = [one["Pos"] for one in elements]
    labels: list[int] = client.get(f"{path}/seg/labels", places).ok().json() if places else []
    lists: dict[int, list[Any]] = {}
    for one, label in zip(elements, labels, strict=True):
        lists.setdefault(label, []).append(one)
    lists.pop(0, None)
    for label in {*range(1, 30), *lists}:
        assert named(fetched(client, f"{path}/syn/label/{label}")) == named(lists.get(label, [])), (uuid, label)
        related = fetched(client, f"{path}/syn/label/{label}?relationships=true")
        assert named(related) == named(lists.get(label, []))
    for kind in ("PostSyn", "PreSyn", "Gap", "Note", "AllSyn"):
        kinds = SYNAPSES if kind == "AllSyn" else {kind}
        counts = Counter({label: sum(one["Kind"] in kinds for one in some) for label, some in lists.items()})
        wanted = sorted(((label, n) for label, n in counts.items() if n), key=lambda pair: (-pair[1], pair[0]))
        found = fetched(client, f"{path}/sz/top/1000/{kind}")
        assert [(row["Label"], row["Size"]) for row in found] == wanted, (uuid, kind)


@pytest.mark.parametrize("seed", range(2))
def test_lists_and_counts_are_what_the_voxels_say(dvid_server: ServerFactory, seed: int) -> None:
    server = dvid_server()
    world = World(server.client, seed)
    for number in range(40):
        world.step()
        if number % 20 == 19:
            world.check()
    server.restart()
    world.client = server.client
    world.check()
    folder = server.data
    server.stop()
    assert fsck_problems(folder) == []


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10, 16))
def test_the_same_for_longer(dvid_server: ServerFactory, seed: int) -> None:
    server = dvid_server()
    world = World(server.client, seed)
    for number in range(150):
        world.step()
        if number % 30 == 29:
            world.check()


def _until_killed(work: Callable[[], None]) -> None:
    try:
        while True:
            work()
    except (OSError, http.client.HTTPException, json.JSONDecodeError, AssertionError):
        return


@pytest.mark.crash
def test_kills_in_the_middle_of_everything(dvid_process: ProcessFactory, tmp_path: Path) -> None:
    server = dvid_process(tmp_path / "data")
    with server.new_client() as client:
        world = World(client, 7)
        world.paint()
    for cycle in range(5):
        clients = [server.new_client() for _ in range(3)]
        workers = []
        for number, client in enumerate(clients):
            one = World.__new__(World)
            one.__dict__.update(world.__dict__, client=client, chance=random.Random(100 * cycle + number))
            works = [one.post, one.paint, one.merge] if number else [one.post, one.move, one.delete, one.cleave]
            workers.append(
                threading.Thread(target=_until_killed, args=(lambda one=one, works=works: one.chance.choice(works)(),))
            )
        for worker in workers:
            worker.start()
        time.sleep(0.5 + 0.3 * cycle)
        server.kill()
        for worker in workers:
            worker.join()
        for client in clients:
            client.close()
        server = dvid_process(tmp_path / "data")
        with server.new_client() as client:
            check_version(client, world.uuid)
    assert server.stop() == 0
    assert fsck_problems(tmp_path / "data") == []


@pytest.mark.parametrize("followed", ["vol", "blk", "vol,blk"])
def test_a_labelvol_tells_what_its_labelblk_does(dvid_server: ServerFactory, followed: str) -> None:
    client = dvid_server().client
    uuid = client.new_repo()
    client.new_instance(uuid, "labelblk", "blk", BlockSize="32,32,32")
    client.new_instance(uuid, "labelvol", "vol", BlockSize="32,32,32")
    client.new_instance(uuid, "annotation", "syn")
    client.post(f"/api/node/{uuid}/vol/sync", {"sync": "blk"}).ok()
    client.post(f"/api/node/{uuid}/blk/sync", {"sync": "vol"}).ok()
    client.post(f"/api/node/{uuid}/syn/sync", {"sync": followed}).ok()
    client.post(f"/api/node/{uuid}/syn/elements", [{"Pos": [1, 1, 1]}, {"Pos": [40, 1, 1]}]).ok()
    assert sorted(fetched(client, f"/api/node/{uuid}/syn/all-elements")) == ["0,0,0", "1,0,0"]
    voxels = np.array([[[1, 2]]], "<u8").repeat(32, 0).repeat(32, 1).repeat(32, 2)
    client.post(f"/api/node/{uuid}/blk/raw/0_1_2/64_32_32/0_0_0", voxels.tobytes()).ok()
    assert len(fetched(client, f"/api/node/{uuid}/syn/label/1")) == 1
    client.post(f"/api/node/{uuid}/vol/merge", [1, 2]).ok()
    assert len(fetched(client, f"/api/node/{uuid}/syn/label/1")) == 2
    assert fetched(client, f"/api/node/{uuid}/syn/label/2") == []


def test_what_a_cleave_took_is_looked_for_where_it_was(dvid_server: ServerFactory) -> None:
    server = dvid_server()
    world = World(server.client, 3)
    voxels = np.array([[[1, 2, 3, 4]]], "<u8").repeat(16, 0).repeat(16, 1).repeat(16, 2)
    server.client.post(world.at("seg/raw/0_1_2/64_16_16/0_0_0"), voxels.tobytes()).ok()
    server.client.post(world.at("seg/merge"), [1, 2, 3, 4]).ok()
    server.client.post(world.at("seg/cleave/1"), [2, 4]).ok()
    server.client.new_instance(world.uuid, "labelarray", "array", BlockSize="16,16,16")
    server.client.post(world.at("array/raw/0_1_2/64_16_16/0_0_0"), voxels.tobytes()).ok()
    server.client.post(world.at("array/split/3"), _runs([(32, 0, 0, 8)])).ok()
    repo, version = server.server.repos.find(world.uuid)
    told = {
        entry["Action"]: np.frombuffer(entry["_Blocks"], "<i4").reshape(-1, 3).tolist()
        for name in ("seg", "array")
        for mutation in server.server.instances.get(repo, name).mutations(version)
        for entry in mutation.entries
        if "_Blocks" in entry
    }
    assert told == {"cleave-complete": [[1, 0, 0], [3, 0, 0]], "split-complete": [[2, 0, 0]]}
    assert not any("_Blocks" in entry for entry in server.client.get(world.at("seg/mutations")).json())


def _runs(runs: list[tuple[int, int, int, int]]) -> bytes:
    head = bytes([0, 3, 0, 0]) + np.array([0, len(runs)], "<u4").tobytes()
    return head + np.array(runs, "<i4").tobytes()


def test_regions_of_blocks(dvid_server: ServerFactory) -> None:
    client = dvid_server().client
    uuid = client.new_repo()
    client.new_instance(uuid, "annotation", "syn")
    client.new_instance(uuid, "roi", "area", BlockSize="64,64,64")
    places = [[x * 64 + 1, y * 64 + 1, z * 64 + 1] for x in range(-3, 4) for y in range(-3, 4) for z in range(-3, 4)]
    client.post(f"/api/node/{uuid}/syn/elements", [{"Pos": place} for place in places]).ok()
    client.post(f"/api/node/{uuid}/area/roi", [[-2, 0, -1, 1], [3, 3, 3, 9], [3, -3, -3, -3]]).ok()
    found = sorted(one["Pos"] for one in fetched(client, f"/api/node/{uuid}/syn/roi/area"))
    assert found == [[-191, -191, 193], [-63, 1, -127], [1, 1, -127], [65, 1, -127], [193, 193, 193]]


@pytest.mark.crash
def test_reloads_among_kills_end_as_if_nothing_had_happened(dvid_process: ProcessFactory, tmp_path: Path) -> None:
    """Blocks are posted as such, and then the lists of labels and the counts are made anew."""

    def prepare(client: Client) -> str:
        world = World(client, 5)
        labels = np.arange(1, 65, dtype="<u8").reshape(4, 4, 4)
        voxels = labels.repeat(16, 0).repeat(16, 1).repeat(16, 2)
        client.post(world.at("seg/raw/0_1_2/64_64_64/0_0_0"), voxels.tobytes()).ok()
        blocks = {
            f"{x},{y},{z}": [
                {
                    "Pos": [16 * x + n % 16, 16 * y + n // 16, 16 * z],
                    "Kind": KINDS[n % 5],
                    "Tags": ["a", "b", "c"][: n % 4],
                }
                for n in range(200)
            ]
            for x in range(4)
            for y in range(4)
            for z in range(4)
        }
        client.post(world.at("syn/elements"), [{"Pos": [1, 1, 1], "Tags": ["a"]}, {"Pos": [17, 1, 5]}]).ok()
        client.post(world.at("syn/blocks"), blocks).ok()
        return world.uuid

    def begin(client: Client, uuid: str, name: str) -> str:
        client.post(f"/api/node/{uuid}/{name}/reload").ok()
        return str(client.json(f"/api/node/{uuid}/{name}/jobs")[-1]["id"])

    for name in ("syn", "sz"):
        report = run_job_among_kills(
            lambda folder, name=name: dvid_process(tmp_path / f"{name}-{folder}"),
            prepare=prepare,
            begin=lambda client, uuid, name=name: begin(client, uuid, name),
            state=lambda client, uuid, name=name: _state(client, uuid, name),
            kills=3,
        )
        assert report.problems == []


def _state(client: Client, uuid: str, name: str) -> Any:
    if name == "syn":
        check_version(client, uuid)
        return [named(fetched(client, f"/api/node/{uuid}/syn/label/{label}")) for label in range(1, 65)]
    return fetched(client, f"/api/node/{uuid}/sz/top/100/AllSyn")

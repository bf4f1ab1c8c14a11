"""Many clients proofread the same bodies at once, also over kills: a serial order explains every answer.

The order in the log is tried: every success must follow from those before it, agree with real time, and every refusal
must be right at some moment between its question and its answer. `DVID_PROOFREADING_RUNS` and
`DVID_PROOFREADING_CYCLES` make it longer.
"""

from __future__ import annotations

import http.client
import os
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dvid_labels.runs import encode_rles
from numpy.typing import NDArray

from dvid_framework.testing.client import Client
from dvid_framework.testing.crash import fsck_problems
from dvid_framework.testing.running import ServerProcess

RUNS = int(os.environ.get("DVID_PROOFREADING_RUNS", "1"))
CYCLES = int(os.environ.get("DVID_PROOFREADING_CYCLES", "5"))
CLIENTS, SIDE, CELL = 8, 64, 16
_State = dict[int, int]  # the body of each supervoxel that is there


@dataclass
class Step:
    """One request and its answer; times are of the client's clock.

    Attributes:
        action: merge, cleave, split-supervoxel or split.
        label: the target, the body, the supervoxel, the body.
        others: the merged bodies, the supervoxels to cleave.
        runs: the voxels to split off, (x, y, z, length) each.
    """

    action: str
    label: int
    others: tuple[int, ...] = ()
    runs: tuple[tuple[int, ...], ...] = ()
    began: float = 0.0
    ended: float = 1e99
    status: int = 0
    answer: Any = None

    @property
    def size(self) -> int:
        """How many voxels are to be split off."""
        return sum(run[3] for run in self.runs)

    def send(self, client: Client, path: str) -> None:
        body: Any = [self.label, *self.others] if self.action == "merge" else list(self.others)
        if self.runs:
            body = encode_rles(np.array(self.runs, np.int32))
        address = self.action if self.action == "merge" else f"{self.action}/{self.label}"
        self.began = time.monotonic()
        reply = client.post(f"{path}/{address}", body)
        self.ended, self.status = time.monotonic(), reply.status
        self.answer = reply.json() if reply.status == 200 else reply.text


@dataclass
class World:
    """What is known of a segmentation from outside.

    Attributes:
        server: the server, which may be another after a kill.
        path: address of the instance.
        steps: all that was asked since the answers were last explained.
        state: the body of each supervoxel, as it was then.
        voxels: voxels of each supervoxel, as bool (z, y, x).
        given: all labels that ever were: none is given twice.
        logged: how many entries of the log are explained.
        said: the end of what the server has printed, when it last ran.
    """

    server: ServerProcess
    path: str
    steps: list[Step] = field(default_factory=list)
    state: _State = field(default_factory=dict)
    voxels: dict[int, NDArray[np.bool_]] = field(default_factory=dict)
    given: set[int] = field(default_factory=set)
    logged: int = 0
    said: str = ""

    def choose(self, client: Client, rng: np.random.Generator) -> Step:
        """Choose a request by what is there now, which others may change before it is sent."""
        bodies = rng.permutation(client.json(f"{self.path}/existing-labels"))
        near = bodies[: rng.integers(2, 4)].tolist()
        action = rng.integers(4)
        if action == 0 and len(bodies) > 12:
            return Step("merge", near[0], tuple(near[1:]))
        reply = client.get(f"{self.path}/supervoxels/{near[0]}")
        members = rng.permutation(reply.json()).tolist() if reply.status == 200 else [near[0]]
        if action == 1 and len(members) > 1:
            return Step("cleave", near[0], tuple(members[: rng.integers(1, len(members) + 1)]))
        if action == 2:
            return Step("split", near[0], runs=self.half(client, f"{near[0]}?format=srles"))
        return Step(
            "split-supervoxel", members[0], runs=self.half(client, f"{members[0]}?supervoxels=true&format=srles")
        )

    def half(self, client: Client, asked: str) -> tuple[tuple[int, ...], ...]:
        """Return half of the runs of a sparse volume; a voxel if it is no more."""
        runs = client.get(f"{self.path}/sparsevol/{asked}")
        rows = np.frombuffer(runs.body, "<i4").reshape(-1, 4) if runs.status == 200 else np.zeros((0, 4), np.int32)
        return tuple(map(tuple, rows[: max(1, len(rows) // 2)].tolist())) or ((0, 0, 0, 1),)

    def work(self, client: Client, seed: int, count: int) -> None:
        """Send requests until there are enough, or the server is gone."""
        rng = np.random.default_rng(seed)
        with client:
            for _ in range(count):
                try:
                    step = self.choose(client, rng)
                    self.steps.append(step)  # before it is sent: a request without an answer may count
                    step.send(client, self.path)
                except (OSError, http.client.HTTPException):
                    return

    def run(self, seed: int, count: int, kill_after: float | None = None) -> None:
        threads = [
            threading.Thread(target=self.work, args=(self.server.new_client(), seed * 100 + number, count))
            for number in range(CLIENTS)
        ]
        for thread in threads:
            thread.start()
        if kill_after is not None:
            time.sleep(kill_after)
            self.server.kill()
        for thread in threads:
            thread.join(120)
            assert not thread.is_alive(), "a client waits for ever"
        self.said = self.server.output()

    # -- what the answers mean

    def is_right(self, state: _State, step: Step) -> bool:
        """Tell whether a request must succeed in a state."""
        if step.action == "merge":
            return {step.label, *step.others} <= set(state.values())
        members = {name for name, body in state.items() if body == step.label}
        if step.action == "cleave":
            return bool(members) and set(step.others) < members
        if step.action == "split-supervoxel":
            members = {step.label} & state.keys()
        mine = np.logical_or.reduce([self.voxels[name] for name in members], initial=False)
        return bool(members and 0 < step.size < mine.sum() and not (self.mask(step) & ~mine).any())

    def mask(self, step: Step) -> NDArray[np.bool_]:
        mask = np.zeros((SIDE,) * 3, bool)
        for x, y, z, length in step.runs:
            mask[z, y, x : x + length] = True
        return mask

    def fresh(self, label: int) -> int:
        assert label not in self.given
        self.given.add(label)
        return label

    def after(self, state: _State, step: Step, entry: dict[str, Any]) -> _State:
        """Return the state after a success, by what the log says of the labels that were given."""
        new = dict(state)
        if step.action == "merge":
            new |= {name: step.label for name, body in state.items() if body in step.others}
        elif step.action == "cleave":
            new |= dict.fromkeys(step.others, self.fresh(entry["CleavedLabel"]))
            assert entry["CleavedSize"] == sum(int(self.voxels[name].sum()) for name in step.others)
        elif step.action == "split":
            assert entry["Target"] == step.label
            mask, label = self.mask(step), self.fresh(entry["NewLabel"])
            inside = [name for name, body in state.items() if body == step.label and (self.voxels[name] & mask).any()]
            assert sorted(map(int, entry["SVSplits"])) == sorted(inside)
            for name in inside:
                self.divide(new, name, mask, entry["SVSplits"][str(name)], (label, step.label))
        else:
            assert entry["Body"] == state[step.label]
            parts = {part: entry[f"{part}Supervoxel"] for part in ("Split", "Remain")}
            self.divide(new, step.label, self.mask(step), parts, (entry["Body"], entry["Body"]))
        return new

    def divide(
        self, state: _State, name: int, mask: NDArray[np.bool_], parts: dict[str, int], bodies: tuple[int, int]
    ) -> None:
        """Put the parts of a supervoxel in its place, each in its body; a part without voxels is not there."""
        del state[name]
        whole = self.voxels[name]
        for label, voxels, body in zip(
            (parts["Split"], parts["Remain"]), (whole & mask, whole & ~mask), bodies, strict=True
        ):
            self.fresh(label)
            if voxels.any():
                self.voxels[label], state[label] = voxels, body

    def fits(self, step: Step, entry: dict[str, Any]) -> bool:
        """Tell whether a log entry may be of a request."""
        if entry["Action"] != f"{step.action}-complete":
            return False
        if step.action == "merge":
            return entry["Target"] == step.label and set(entry["Labels"]) == set(step.others)
        if step.action == "cleave":
            return entry["OrigLabel"] == step.label and set(entry["CleavedSupervoxels"]) == set(step.others)
        if entry["Supervoxel" if step.action == "split-supervoxel" else "Target"] != step.label:
            return False
        runs = self.server.client.get(f"{self.path}/blobstore/{entry['Split']}").ok().body
        return bool(runs == np.array(step.runs, "<i4").tobytes())

    def explain(self) -> None:
        """Check that the order of the log explains every answer, and that the last state is what can be read."""
        log = self.server.client.json(f"{self.path}/mutations")[self.logged :]
        self.logged += len(log)
        open_steps = [step for step in self.steps if step.status == 0]
        answered = {step.answer["MutationID"]: step for step in self.steps if step.status == 200}
        order, states = [], [self.state]
        for entry in log:
            step = answered.pop(entry["MutationID"], None)
            if step is None:
                step = next(step for step in open_steps if self.fits(step, entry))
                open_steps.remove(step)
            assert self.fits(step, entry)
            assert self.is_right(states[-1], step), (step, "can't have succeeded here")
            states.append(self.after(states[-1], step, entry))
            order.append(step)
        assert not answered, "acknowledged and not in the log"
        self.check_times(order)
        for step in self.steps:
            if step.status not in (0, 200):
                assert step.status == 400, (step, self.said)
                first = max((i + 1 for i, other in enumerate(order) if other.ended < step.began), default=0)
                last = min((i for i, other in enumerate(order) if other.began > step.ended), default=len(order))
                assert not all(self.is_right(state, step) for state in states[first : last + 1]), step
        self.state = states[-1]
        self.steps.clear()
        self.voxels = {name: self.voxels[name] for name in self.state}
        self.check_state()

    def check_state(self) -> None:
        client, sizes, names = self.server.client, dict[int, int](), sorted(self.state)
        assert client.get(f"{self.path}/mapping", names).json() == [self.state[name] for name in names]
        for name, body in self.state.items():
            sizes[body] = sizes.get(body, 0) + int(self.voxels[name].sum())
        listed = np.frombuffer(client.get(f"{self.path}/listlabels?sizes=true").body, "<u8").reshape(-1, 2)
        assert dict(listed.tolist()) == sizes
        side = "_".join([str(SIDE)] * 3)
        read = client.get(f"{self.path}/raw/0_1_2/{side}/0_0_0?supervoxels=true").ok().body
        voxels = np.frombuffer(read, "<u8").reshape((SIDE,) * 3)
        assert all((voxels[mask] == name).all() for name, mask in self.voxels.items())

    def check_times(self, order: list[Step]) -> None:
        """No request that ended before another began may come after it."""
        latest = 0.0
        for step in order:
            assert step.ended > latest, "the order of the log is not that of real time"
            latest = max(latest, step.began)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def world(data: Path) -> Iterator[World]:
    config = data.parent / "dvid.toml"
    config.write_text("[server]\nallowLabelmapSplit = true\n")
    server = ServerProcess(data, environment={"DVID_CONFIG": str(config)})
    root = server.client.new_repo()
    server.client.new_instance(root, "labelmap", "seg", BlockSize="32,32,32", MaxDownresLevel="1")
    cells = np.arange(1, (SIDE // CELL) ** 3 + 1, dtype=np.uint64).reshape((SIDE // CELL,) * 3)
    volume = np.ascontiguousarray(cells.repeat(CELL, 0).repeat(CELL, 1).repeat(CELL, 2))
    made = World(server, f"/api/node/{root}/seg")
    server.client.post(f"{made.path}/raw/0_1_2/{SIDE}_{SIDE}_{SIDE}/0_0_0", volume.tobytes()).ok()
    made.voxels = {int(name): volume == name for name in cells.ravel()}
    made.state = {name: name for name in made.voxels}
    made.given = set(made.voxels)
    yield made
    if made.server.alive:
        made.server.stop()


@pytest.mark.parametrize(
    ("seed", "count"), [(0, 12), *(pytest.param(seed, 200, marks=pytest.mark.slow) for seed in range(1, RUNS + 1))]
)
def test_a_serial_order_explains_every_answer(seed: int, count: int, world: World, data: Path) -> None:
    world.run(seed, count)
    assert len(world.steps) == CLIENTS * count
    assert sum(step.status == 200 for step in world.steps) > len(world.steps) // 3
    world.explain()
    assert world.server.stop() == 0
    assert fsck_problems(data) == []


@pytest.mark.crash
def test_kills_among_changes_leave_all_or_nothing_of_each(world: World, data: Path) -> None:
    rng = np.random.default_rng()
    for cycle in range(CYCLES):
        world.run(int(rng.integers(1 << 32)), 10_000, kill_after=float(rng.uniform(0.2, 1.0)))
        assert fsck_problems(data) == [], cycle
        world.server = ServerProcess(data, environment={"DVID_CONFIG": str(data.parent / "dvid.toml")})
        world.explain()

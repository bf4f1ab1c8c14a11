"""The neurons in memory are those that are stored, whatever is written and whenever it is read."""

from __future__ import annotations

import http.client
import os
import random
import threading
from typing import Any

import pytest
from dvid_neuronjson.chunk import CHUNK_NEURONS, Chunk
from dvid_neuronjson.conditions import parse_queries
from dvid_neuronjson.table import Table
from dvid_neuronjson.update import Change, merge

from dvid_framework.testing.pytest_plugin import ProcessFactory, ServerFactory

STEPS = int(os.environ.get("DVID_MODEL_STEPS", "120"))
FIELDS = ("type", "status", "note", "group")
VALUES: tuple[Any, ...] = (None, "a", "b", "", 1, 2, 1.5, ["a", "b"], [1, 2], {"k": [1]}, True)
QUERIES: tuple[Any, ...] = (
    {"type": "a"},
    {"type": ["a", "re/^b"], "status": "exists/1"},
    {"note": 1},
    {"group": "exists/0"},
    {"type_user": "ann"},
    [{"status": 2}, {"note": [1.5]}],
)


def without_times(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if not name.endswith("_time")}


class Model:
    """What an instance must hold: plain dictionaries for each version."""

    def __init__(self, neurons: Any) -> None:
        self.now = neurons
        self.versions: dict[str, dict[int, dict[str, Any]]] = {neurons.uuid: {}}
        self.open = [neurons.uuid]

    def at(self, uuid: str) -> Any:
        return self.now.at(uuid)

    def step(self, rng: random.Random) -> None:
        uuid, number = rng.choice(self.open), rng.randint(1, 40)
        version, stored = self.at(uuid), self.versions[uuid]
        what = rng.random()
        if what < 0.7:
            fields = {name: rng.choice(VALUES) for name in FIELDS if rng.random() < 0.5}
            user, replace = rng.choice(("ann", "bob")), rng.random() < 0.3
            conditional = [name for name in FIELDS if rng.random() < 0.3]
            options = f"u={user}&replace={str(replace).lower()}&conditional={','.join(conditional)}"
            version.put(number, fields, options).ok()
            change = Change(user, "T", replace, conditional)
            stored[number] = merge(stored.get(number, {}), {"bodyid": number, **fields}, change)
        elif what < 0.85:
            version.delete(f"key/{number}").ok()
            stored.pop(number, None)
        elif what < 0.9 and len(self.versions) < 8:
            version.client.commit(uuid)
            self.open.remove(uuid)
            for branch in (None, f"b{len(self.versions)}"):
                child = version.client.child(uuid, branch)
                self.versions[child] = {key: dict(value) for key, value in stored.items()}
                self.open.append(child)

    def check(self, uuid: str, rng: random.Random) -> None:
        version, stored = self.at(uuid), self.versions[uuid]
        expected = {key: without_times(value) for key, value in sorted(stored.items())}
        shown = {int(key): value for key, value in version.json("keyrangevalues/0/a?json=true&show=user").items()}
        assert shown == expected
        plain = {
            key: {name: one for name, one in value.items() if not name.endswith("_user")}
            for key, value in expected.items()
        }
        assert version.json("all") == [value for value in plain.values() if len(value) > 1]
        assert version.keys() == list(expected)
        query = rng.choice(QUERIES)
        cold = [key for key, value in stored.items() if matches(value, query)]
        assert sorted(version.ask(query)) == sorted(cold)


def matches(neuron: dict[str, Any], query: Any) -> bool:
    return any(all(condition.holds(neuron) for condition in one) for one in parse_queries(query))


def walk(neurons: Any, seed: int, steps: int) -> Model:
    rng, model = random.Random(seed), Model(neurons)
    for number in range(steps):
        model.step(rng)
        if number % 4 == 0:
            model.check(rng.choice(list(model.versions)), rng)
    for uuid in model.versions:
        model.check(uuid, rng)
    return model


def test_a_random_walk(neurons) -> None:
    walk(neurons, 1, STEPS)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2, 4))
def test_random_walks_through_restarts(seed: int, dvid_server: ServerFactory, neurons, tmp_path) -> None:
    data = tmp_path / "restarted"
    server = dvid_server(data)
    uuid = server.client.new_repo()
    server.client.new_instance(uuid, "neuronjson", "nj")
    rng, model = random.Random(seed), Model(neurons.by(server.client).at(uuid))
    for _ in range(4):
        for number in range(STEPS // 2):
            model.step(rng)
            if number % 3 == 0:
                model.check(rng.choice(list(model.versions)), rng)
        server.stop()
        server = dvid_server(data)
        model.now.client = server.client
        for version in model.versions:
            model.check(version, rng)


def test_a_table_grows_and_shrinks_like_a_dictionary() -> None:
    rng, table, expected = random.Random(3), Table([]), dict[int, bytes]()
    for _ in range(60):
        changes: dict[int, bytes | None] = {}
        for _ in range(rng.choice((1, 3, 300))):
            number = rng.randint(1, 3000)
            changes[number] = None if rng.random() < 0.4 else b'{"bodyid":%d,"x":%d}' % (number, rng.randint(0, 99))
        table = table.changed(changes)
        for number, plain in changes.items():
            if plain is None:
                expected.pop(number, None)
            else:
                expected[number] = plain
        found = [pair for chunk in table.chunks for pair in zip(chunk.numbers, chunk.objects(), strict=True)]
        assert found == sorted(expected.items())
        assert all(0 < len(chunk.numbers) <= 2 * CHUNK_NEURONS for chunk in table.chunks)
        assert all(chunk.body == b",".join(chunk.objects()) for chunk in table.chunks)


def test_a_chunk_knows_who_has_nothing_but_a_number() -> None:
    chunk = Chunk([1, 22], [b'{"bodyid":1}', b'{"bodyid":22,"a":1}'])
    assert chunk.bare == 1


def test_writers_and_readers_at_once(server, neurons) -> None:
    failures: list[str] = []
    ended = threading.Event()

    def write(worker: int) -> None:
        with server.new_client() as client:
            mine = neurons.by(client)
            for number in range(25):
                mine.put(7, {f"f{worker}_{number}": number}, f"u=w{worker}").ok()
                mine.put(1000 * worker + number + 10, {"worker": worker, "n": number}).ok()
                found = mine.ask({"worker": worker})
                if len(found) != number + 1:
                    failures.append(f"worker {worker} does not find what it wrote: {found} of {number + 1}")

    def read() -> None:
        with server.new_client() as client:
            mine = neurons.by(client)
            while not ended.is_set():
                found = mine.json("all")
                if [one["bodyid"] for one in found] != sorted(one["bodyid"] for one in found):
                    failures.append("all is not in order")

    threads = [threading.Thread(target=write, args=(worker,)) for worker in range(1, 4)]
    reader = threading.Thread(target=read)
    for thread in (*threads, reader):
        thread.start()
    for thread in threads:
        thread.join()
    ended.set()
    reader.join()
    assert failures == []
    assert len(neurons.json("key/7")) == 76, "no post to one neuron is lost"
    assert len(neurons.json("all")) == 76


def test_tables_that_are_too_large_are_not_kept(server, neurons) -> None:
    tables = server.server.instances.get(server.server.repos.find(neurons.uuid)[0], "nj").tables
    for number in range(1, 40):
        neurons.put(number, {"a": number % 7, "text": "x" * 100}).ok()
    expected = neurons.json("all"), neurons.ask({"a": 3}), neurons.json("fields?counts=true")
    assert tables.held > 0
    tables.limit = 1000
    tables.shrink()
    assert tables.held == 0
    assert (neurons.json("all"), neurons.ask({"a": 3}), neurons.json("fields?counts=true")) == expected
    assert tables.held == 0
    neurons.put(1, {"a": 3}).ok()
    assert neurons.ask({"a": 3}) == sorted({1, *expected[1]})


def test_writes_of_a_branch_leave_the_tables_of_others(server, neurons, monkeypatch: pytest.MonkeyPatch) -> None:
    neurons.put(1, {"a": 1}).ok()
    neurons.client.commit(neurons.uuid)
    versions = [neurons.uuid, *(neurons.client.child(neurons.uuid, branch) for branch in ("one", "two"))]
    root, one, two = (neurons.at(uuid) for uuid in versions)
    for version in (root, one, two):
        assert version.ask({"a": 1}) == [1]
    tables = server.server.instances.get(server.server.repos.find(neurons.uuid)[0], "nj").tables
    read: list[int] = []
    reading = tables.read
    monkeypatch.setattr(tables, "read", lambda *args: (read.append(args[1]), reading(*args))[1])
    for number in range(2, 6):
        one.put(number, {"a": 1}).ok()
        assert one.ask({"a": 1}) == list(range(1, number + 1))
        assert (root.ask({"a": 1}), two.ask({"a": 1})) == ([1], [1])
    assert read == []


@pytest.mark.crash
def test_what_was_acknowledged_survives_kills(neurons, dvid_process: ProcessFactory, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("DVID_LOAD_PLUGINS", "neuronjson")
    rng, data = random.Random(9), tmp_path / "killed"
    process = dvid_process(data)
    uuid = process.client.new_repo()
    process.client.new_instance(uuid, "neuronjson", "nj")
    expected: dict[int, int] = {}
    for cycle in range(int(os.environ.get("DVID_CRASH_CYCLES", "3"))):
        process = dvid_process(data) if cycle else process
        mine = neurons.by(process.client).at(uuid)
        stored = {one["bodyid"]: one["n"] for one in mine.json("all")}
        assert stored == expected
        killer = threading.Timer(rng.uniform(0.2, 1.0), process.kill)
        killer.start()
        number = n = 0
        try:
            while True:
                number, n = rng.randint(1, 60), rng.randint(1, 1000)
                mine.put(number, {"n": n}).ok()
                expected[number] = n
        except (OSError, http.client.HTTPException, AssertionError):
            killer.join()
        again = dvid_process(data)
        mine = neurons.by(again.client).at(uuid)
        for one in mine.json("all"):
            if one["bodyid"] == number and one["n"] == n:
                expected[number] = n  # it was written and not acknowledged
        again.stop()

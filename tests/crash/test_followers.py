"""kill -9 among mixed writes with followers and jobs: fsck is clean, followers catch up, nothing has effect twice."""

from __future__ import annotations

import http.client
import os
import random
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from dvid_framework.plugins import Plugins
from dvid_framework.testing import counting, tiny
from dvid_framework.testing.client import Client
from dvid_framework.testing.crash import fsck_problems
from dvid_framework.testing.jobs import wait_for_job
from dvid_framework.testing.pytest_plugin import ProcessFactory
from dvid_framework.testing.running import ServerProcess

KILLS = int(os.environ.get("DVID_MIXED_KILLS", "5"))
BACKLOG = int(os.environ.get("DVID_BACKLOG", "3000"))
MODULES = ("dvid_framework.testing.tiny", "dvid_framework.testing.counting")

pytestmark = [pytest.mark.crash, pytest.mark.timeout(120 + 30 * KILLS + BACKLOG // 50)]


def _plugins() -> Plugins:
    return Plugins({"tiny": tiny, "counting": counting})


def _prepare(client: Client) -> str:
    root = client.new_repo()
    for kind, name in (("tiny", "a"), ("tiny", "b"), ("counting", "f"), ("counting", "g")):
        client.new_instance(root, kind, name)
    client.post(f"/api/node/{root}/f/sync", {"sync": "a,b"}).ok()
    client.post(f"/api/node/{root}/g/sync", {"sync": "f"}).ok()
    return root


class _Writers:
    """Write to both leaders and start jobs, until the server is gone; count what was acknowledged."""

    def __init__(self, root: str) -> None:
        self._root = root
        self.acknowledged: Counter[str] = Counter()
        self.jobs: list[str] = []

    def _write(self, client: Client, number: int) -> None:
        key, leader = f"w{number}", "ab"[number % 2]
        try:
            for turn in range(1_000_000):
                client.post(f"/api/node/{self._root}/{leader}/pair/{key}", b"x" * (turn % 500)).ok()
                self.acknowledged[f"set {key}"] += 1
        except (OSError, http.client.HTTPException):
            client.close()

    def _start_jobs(self, client: Client) -> None:
        try:
            for turn in range(1_000_000):
                reply = client.post(f"/api/node/{self._root}/{'ab'[turn % 2]}/append", b"+").ok()
                self.jobs.append(reply.json()["job"])
                wait_for_job(client, self.jobs[-1])
        except (OSError, http.client.HTTPException):
            client.close()

    def until_killed(self, server: ServerProcess, seconds: float) -> None:
        threads = [
            *(threading.Thread(target=self._write, args=(server.new_client(), number)) for number in range(4)),
            threading.Thread(target=self._start_jobs, args=(server.new_client(),)),
        ]
        for thread in threads:
            thread.start()
        time.sleep(seconds)
        server.kill()
        for thread in threads:
            thread.join()


def _logged(client: Client, root: str) -> Counter[str]:
    """What the leaders' logs say, in the words of the follower."""
    entries = [entry for name in "ab" for entry in client.json(f"/api/node/{root}/{name}/mutations")]
    return Counter(f"{entry['Action']} {entry.get('Key', '')}" for entry in entries)


def _counted(client: Client, root: str, follower: str) -> Any:
    deadline = time.monotonic() + 60
    while (reply := client.get(f"/api/node/{root}/{follower}/counters")).status == 503:
        assert time.monotonic() < deadline, reply.text
        time.sleep(0.05)
    return reply.ok().json()


def test_followers_and_jobs_among_kills(dvid_process: ProcessFactory, tmp_path: Path) -> None:
    seed = random.randrange(1 << 32)
    print(f"kills with seed {seed}")  # noqa: T201 - for whoever repeats a failure
    chance, data = random.Random(seed), tmp_path / "data"
    server = dvid_process(data, MODULES)
    root = _prepare(server.client)
    writers = _Writers(root)
    for _ in range(KILLS):
        writers.until_killed(server, chance.uniform(0.05, 0.8))
        assert fsck_problems(data, _plugins()) == []
        server = dvid_process(data, MODULES)
        client = server.client
        for job in writers.jobs:
            assert wait_for_job(client, job)["state"] == "done"
        writers.jobs.clear()  # long runs start more jobs than a server remembers
        logged = _logged(client, root)
        assert _counted(client, root, "f") == logged
        counted = sum(_counted(client, root, "g").values())
        assert counted == sum(logged.values())
        assert all(logged[key] >= count for key, count in writers.acknowledged.items())
        values: dict[str, str] = client.json(f"/api/node/{root}/a/pairs")
        assert all(value.count("+") <= logged[f"append {key}"] for key, value in values.items())
    assert sum(writers.acknowledged.values()) > KILLS
    assert server.stop() == 0


def test_a_backlog_is_taken_in_once_though_the_server_is_killed_in_it(
    dvid_process: ProcessFactory, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    server = dvid_process(data, MODULES)
    root = _prepare(server.client)
    server.stop()
    server = dvid_process(data, MODULES[:1])  # the follower's type is away: nothing is taken in

    def write(number: int) -> None:
        with server.new_client() as client:
            for turn in range(BACKLOG // 8):
                client.post(f"/api/node/{root}/a/pair/k{(turn + number) % 7}", b"x").ok()

    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for _ in range(4):
        server.kill()
        server = dvid_process(data, MODULES)
        time.sleep(0.1)
    client = server.client
    logged = _logged(client, root)
    assert sum(logged.values()) == BACKLOG // 8 * 8
    assert _counted(client, root, "f") == logged
    assert _counted(client, root, "g") == {f"counted k{key}": count for key, count in _by_key(logged)}


def _by_key(logged: Counter[str]) -> list[tuple[int, int]]:
    return [(int(name.removeprefix("set k")), count) for name, count in logged.items()]

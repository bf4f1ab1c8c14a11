"""Starts and stops: the first mutations of a version at a clean stop, and deletions that are killed."""

from __future__ import annotations

import os
import random
import threading
import time
from pathlib import Path

import pytest

from dvid_framework.plugins import Plugins
from dvid_framework.testing import tiny
from dvid_framework.testing.client import Client
from dvid_framework.testing.crash import fsck_problems
from dvid_framework.testing.jobs import wait_for_job
from dvid_framework.testing.pytest_plugin import ProcessFactory

STOPS = int(os.environ.get("DVID_CLEAN_STOPS", "10"))
CLIENTS = 10
MODULES = ("dvid_framework.testing.tiny",)

pytestmark = [pytest.mark.crash, pytest.mark.timeout(120 + 10 * STOPS)]


def _first_mutations(clients: list[Client], address: str, turn: int) -> set[str]:
    """Let all clients write at once for the first time; returns the keys that were acknowledged."""
    together, acknowledged = threading.Barrier(len(clients)), set[str]()

    def write(number: int) -> None:
        together.wait()
        key = f"t{turn}c{number}"
        clients[number].post(f"{address}/pair/{key}", b"x" * 100).ok()
        acknowledged.add(key)
        clients[number].close()

    threads = [threading.Thread(target=write, args=(number,)) for number in range(len(clients))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return acknowledged


def test_first_mutations_of_a_version_survive_a_clean_stop(dvid_process: ProcessFactory, tmp_path: Path) -> None:
    data = tmp_path / "data"
    server = dvid_process(data, MODULES)
    version = server.client.new_repo()
    server.client.new_instance(version, "tiny", "t")
    acknowledged = set[str]()
    for turn in range(STOPS):
        clients = [server.new_client() for _ in range(CLIENTS)]
        acknowledged |= _first_mutations(clients, f"/api/node/{version}/t", turn)
        assert server.stop() == 0
        server = dvid_process(data, MODULES)
        assert set(server.client.json(f"/api/node/{version}/t/pairs")) == acknowledged
        server.client.commit(version)
        version = server.client.child(version)
    assert len(acknowledged) == STOPS * CLIENTS
    server.stop()
    assert fsck_problems(data, Plugins({"tiny": tiny})) == []


def test_killed_deletions_end_after_the_restart(dvid_process: ProcessFactory, tmp_path: Path) -> None:
    """Whatever the moment of the kill: what was deleted is there whole or gone whole, and its space is freed."""
    seed = random.randrange(1 << 32)
    print(f"kills with seed {seed}")  # noqa: T201 - for whoever repeats a failure
    chance, data = random.Random(seed), tmp_path / "data"
    server = dvid_process(data, MODULES)
    root = server.client.new_repo()
    pairs = {f"k{number:05d}": "x" * 50 for number in range(20_000)}
    for turn in range(5):
        name = f"i{turn}"
        server.client.new_instance(root, "tiny", name)
        server.client.post(f"/api/node/{root}/{name}/pairs", pairs).ok()
        reply = server.client.request("DELETE", f"/api/repo/{root}/instance/{name}", {"confirm": name})
        if turn % 2:
            time.sleep(chance.uniform(0.0, 0.05))
        server.kill()
        assert fsck_problems(data, Plugins({"tiny": tiny})) == []
        server = dvid_process(data, MODULES)
        assert server.client.get(f"/api/node/{root}/{name}/pairs").status == 400
        assert wait_for_job(server.client, reply.ok().json()["job"])["state"] == "done"
    assert server.client.json(f"/api/repo/{root}/info")["DataInstances"] == {}
    server.stop()
    assert fsck_problems(data, Plugins({"tiny": tiny})) == []

"""Kill -9 among posts of mappings, and while a job folds them: each post is there whole or not at all."""

from __future__ import annotations

import os
import time
from collections.abc import Collection
from pathlib import Path

import numpy as np
import pytest
from dvid_labelmap.ops.chains import LONG_RUN
from dvid_labels import kernels
from dvid_labels.types import Labels

from dvid_framework.testing.client import Client
from dvid_framework.testing.crash import fsck_problems, run_crash_cycles
from dvid_framework.testing.running import ServerProcess

CYCLES = int(os.environ.get("DVID_CRASH_CYCLES", "4"))
ASKED = 3000


class Posts:
    """Two writers post long runs, so that a job folds them, and one short ones; each its own labels, mixed up."""

    writers = 3

    def __init__(self) -> None:
        self.path = ""

    def prepare(self, client: Client) -> None:
        root = client.new_repo()
        client.new_instance(root, "labelmap", "seg")
        self.path = f"/api/node/{root}/seg"

    def labels(self, writer: int) -> Labels:
        count = 2000 if writer == 2 else LONG_RUN + 1000
        return 5 + 3 * np.arange(count, dtype=np.uint64) + np.uint64(writer)

    def write(self, client: Client, writer: int, generation: int) -> None:
        labels = self.labels(writer)
        bodies = np.full(len(labels), (generation << 8) + writer, np.uint64)
        client.post(f"{self.path}/mappings", kernels.encode_mapping_ops(labels, bodies)).ok()

    def visible(self, client: Client, writer: int) -> Collection[int]:
        asked = np.random.default_rng().choice(self.labels(writer), ASKED)
        found = np.array(client.get(f"{self.path}/mapping", asked.tolist()).ok().json(), np.uint64)
        assert ((found == 0) | (found & np.uint64(255) == np.uint64(writer))).all()
        return set((found >> np.uint64(8)).tolist())


@pytest.mark.crash
def test_posts_survive_kills_while_they_are_folded(tmp_path: Path) -> None:
    data, posts, servers = tmp_path / "data", Posts(), list[ServerProcess]()

    def start() -> ServerProcess:
        servers.append(ServerProcess(data))
        return servers[-1]

    report = run_crash_cycles(start, posts, CYCLES)
    assert report.problems == []
    assert report.acknowledged >= CYCLES
    client = servers[-1].client if servers[-1].alive else start().client
    before = [posts.visible(client, writer) for writer in range(posts.writers)]
    deadline = time.monotonic() + 120
    while any(job["state"] in ("queued", "running") for job in client.json("/api/jobs")):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    jobs = client.json("/api/jobs")
    assert jobs
    assert {(job["kind"], job["state"]) for job in jobs} == {("fold-mappings", "done")}
    assert [posts.visible(client, writer) for writer in range(posts.writers)] == before
    servers[-1].stop()
    assert fsck_problems(data) == []

"""Sixty-four clients write at once: into groups, within the memory for requests, and each is told the truth."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from dvid_framework.testing import Config, LimitSettings, Plugins, check
from dvid_framework.testing.running import ServerThread

pytestmark = pytest.mark.slow
CLIENTS = 64
POSTS = 2
BLOCK = (16, 16, 16)
SHARED = (0, 0, -1)  # all write this block too


@pytest.mark.parametrize("memory", [64 << 20, 300 << 10])
def test_a_crowd(tmp_path: Path, plugins: Callable[[], Plugins], volumes: SimpleNamespace, memory: int) -> None:
    server = ServerThread(tmp_path, Config(limits=LimitSettings(memory_bytes=memory)), plugins=plugins())
    root = server.client.new_repo()
    server.client.new_instance(root, "labelmap", "seg", BlockSize="16,16,16", MaxDownresLevel="2")
    chance = np.random.default_rng(5)
    labels = chance.integers(1, 1 << 40, (CLIENTS * POSTS, *BLOCK[::-1]), np.uint64)
    labels[:, :12] = 7  # a body that reaches everywhere
    payloads = [volumes.encoded(one, (0, 0, 0), BLOCK)[0, 0, 0] for one in labels]
    assert min(map(len, payloads)) > 4 << 10  # so that they do not all fit at once

    def write(client_number: int) -> list[int]:
        client, statuses = server.new_client(), []
        for post in range(POSTS):
            row = CLIENTS * post + client_number
            body = volumes.stream_of({(client_number % 8, client_number // 8, 0): payloads[row], SHARED: payloads[row]})
            for _ in range(2000):
                reply = client.post(f"/api/node/{root}/seg/blocks?downres=true", body)
                statuses.append(reply.status)
                if reply.status != 503:
                    break
                time.sleep(0.05)
        return statuses

    with ThreadPoolExecutor(CLIENTS) as pool:
        statuses = [status for found in pool.map(write, range(CLIENTS)) for status in found]
    assert statuses.count(200) == CLIENTS * POSTS
    assert set(statuses) <= {200, 503}
    assert (503 in statuses) == (memory < 1 << 20)
    seen = np.frombuffer(server.client.get(f"/api/node/{root}/seg/raw/0_1_2/128_128_16/0_0_0").ok().body, "<u8")
    last = labels[CLIENTS * (POSTS - 1) :].reshape(8, 8, *BLOCK[::-1]).transpose(2, 0, 3, 1, 4)
    assert (seen.reshape(16, 128, 128) == last.reshape(16, 128, 128)).all()
    sizes = server.client.get(f"/api/node/{root}/seg/sizes", "[7]").ok().json()
    assert sizes == [(CLIENTS + 1) * 12 * 16 * 16]
    instance: Any = server.server.instances.get(server.server.repos.find(root)[0], "seg")
    assert len(instance.mutations(instance.repo.dag.root)) == CLIENTS * POSTS
    server.server.budget.take(memory)  # all of it was given back
    server.server.budget.give_back(memory)
    assert check(server.server.stores, server.server.repos, server.server.instances).clean
    server.stop()

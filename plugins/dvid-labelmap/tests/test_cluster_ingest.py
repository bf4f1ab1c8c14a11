"""64 connections ingest a segmentation while requests are cut and refused, and the server is killed once."""

from __future__ import annotations

import asyncio
import json
import os
import random
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

from dvid_framework.testing.client import Client
from dvid_framework.testing.cluster import Cluster, Post
from dvid_framework.testing.crash import fsck_problems
from dvid_framework.testing.pytest_plugin import ProcessFactory
from dvid_framework.testing.running import ServerProcess

CYCLES = int(os.environ.get("DVID_CRASH_CYCLES", "1"))
CONNECTIONS = 64
GENERATIONS = 3  # of each block; the last one is right
CUT_EVERY = 50
THROTTLED_EVERY = 32  # there is one place for them: others get 503
ASKED = 10_000
BLOCK = (64, 64, 64)
LEVELS = 2

pytestmark = [pytest.mark.crash, pytest.mark.slow, pytest.mark.timeout(180)]
Labels = NDArray[np.uint64]


class Ingest(NamedTuple):
    """The segmentation by scale, uint64 (z, y, x) each; its blocks; and the voxels of its bodies."""

    scales: list[Labels]
    blocks: list[tuple[tuple[int, int, int], bytes]]
    bodies: Labels
    voxels: NDArray[np.int64]


@pytest.fixture(scope="module")
def ingest(volumes: SimpleNamespace) -> Ingest:
    small = volumes.natural((136, 136, 136), 11, 90)
    cube = small.repeat(2, 0).repeat(2, 1).repeat(2, 2)[1:257, 1:257, 1:257]  # odd, so that down-sampling has a choice
    mirrored = np.where(cube[:, :, ::-1] > 0, cube[:, :, ::-1] ^ np.uint64(1 << 40), 0)
    scales = [np.concatenate((cube, mirrored), axis=2, dtype=np.uint64)]
    for _ in range(LEVELS):
        scales.append(volumes.halved(scales[-1]))
    bodies, voxels = np.unique(scales[0], return_counts=True)
    blocks = list(volumes.encoded(scales[0], (0, 0, 0), BLOCK).items())
    return Ingest(scales, blocks, bodies[bodies > 0], voxels[bodies > 0])


def lanes_of(ingest: Ingest, address: str, chance: random.Random, volumes: SimpleNamespace) -> list[list[Post]]:
    """Some blocks for each connection, in every generation one or a few by request."""
    blocks, lanes, number = ingest.blocks[:], [], 0
    chance.shuffle(blocks)
    payloads = [payload for _, payload in blocks]
    for connection in range(CONNECTIONS):
        lanes.append([])
        for generation in reversed(range(GENERATIONS)):
            mine = [
                (blocks[row][0], payloads[(row + 29 * generation) % len(blocks)])
                for row in range(connection, len(blocks), CONNECTIONS)
            ]
            while mine:
                count, number = chance.randint(1, 3), number + 1
                query = "downres=true" + ("&throttle=on" if number % THROTTLED_EVERY == 0 else "")
                lanes[-1].append(Post(f"{address}/blocks?{query}", volumes.stream_of(dict(mine[:count]))))
                del mine[:count]
    return lanes


async def send_and_kill(
    cluster: Cluster,
    lanes: Sequence[Sequence[Post]],
    server: ServerProcess,
    dvid_process: ProcessFactory,
    data: Path,
    moment: int,
) -> ServerProcess:
    """Kill the server once so many requests are acknowledged, and start another one in its place."""
    sending = asyncio.create_task(cluster.send(lanes))
    reached = asyncio.create_task(cluster.until(moment))
    await asyncio.wait({sending, reached}, return_when=asyncio.FIRST_COMPLETED)
    if sending.done():
        await sending
        pytest.fail("all was sent before the kill")
    server.kill()
    server = await asyncio.to_thread(dvid_process, data)
    cluster.port = server.port
    await sending
    return server


def check(client: Client, address: str, ingest: Ingest) -> None:
    for scale, expected in enumerate(ingest.scales):
        size = "_".join(str(side) for side in expected.shape[::-1])
        body = client.get(f"{address}/raw/0_1_2/{size}/0_0_0?scale={scale}").ok().body
        assert (np.frombuffer(body, "<u8").reshape(expected.shape) == expected).all(), f"scale {scale}"
    for first in range(0, len(ingest.bodies), ASKED):
        asked = ingest.bodies[first : first + ASKED].tolist()
        found = client.get(f"{address}/sizes", json.dumps(asked)).ok().json()
        assert found == ingest.voxels[first : first + ASKED].tolist()
    listed = np.frombuffer(client.get(f"{address}/listlabels?number=10000000").ok().body, "<u8")
    assert listed.tolist() == ingest.bodies.tolist()


@pytest.mark.parametrize("cycle", range(CYCLES))
def test_cluster_ingest(
    cycle: int, ingest: Ingest, dvid_process: ProcessFactory, tmp_path: Path, volumes: SimpleNamespace
) -> None:
    seed = random.randrange(1 << 32)
    print(f"cluster ingest with seed {seed}")  # noqa: T201 - for whoever repeats a failure
    chance, data = random.Random(seed), tmp_path / "data"
    server = dvid_process(data)
    root = server.client.new_repo()
    server.client.new_instance(root, "labelmap", "seg", BlockSize="64,64,64", MaxDownresLevel=str(LEVELS))
    address = f"/api/node/{root}/seg"
    lanes = lanes_of(ingest, address, chance, volumes)
    count = sum(map(len, lanes))
    cluster = Cluster(server.port, CUT_EVERY)
    moment = chance.randint(count // 10, count * 8 // 10)
    server = asyncio.run(send_and_kill(cluster, lanes, server, dvid_process, data, moment))
    assert cluster.acknowledged == count
    assert cluster.cut == count // CUT_EVERY
    assert cluster.lost > 0
    check(server.client, address, ingest)
    assert server.stop() == 0
    assert fsck_problems(data) == []

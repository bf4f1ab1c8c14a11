"""Ingest by a few and by many connections: `python benchmarks/cluster_ingest.py [--side 512] [--folder /tmp]`.

Prints how many blocks a server of its own takes in a second, with lower scales and indices of bodies.
"""

import argparse
import asyncio
import os
import tempfile
import time
from pathlib import Path

import numpy as np
from dvid_labels import kernels
from numpy.typing import NDArray

from dvid_framework.testing.cluster import Cluster, Post
from dvid_framework.testing.running import ServerProcess

CONNECTIONS = (8, 64)
SIDE = 64
CELLS = 60


def natural_block(chance: np.random.Generator) -> NDArray[np.uint64]:
    """Make a block of cells with curved borders: nearest seed in a warped space, uint64 (z, y, x)."""
    z, y, x = np.indices((SIDE, SIDE, SIDE), np.float32)
    warped = (x + 5 * np.sin(y / 9), y + 5 * np.sin(z / 8), 1.5 * z + 4 * np.sin(x / 7))
    best, nearest = np.full(x.shape, np.inf, np.float32), np.zeros(x.shape, np.int64)
    for cell, seed in enumerate(chance.uniform(-10, SIDE * 1.2, (CELLS, 3))):
        distance = sum((axis - at) ** 2 for axis, at in zip(warped, seed, strict=True))
        closer = distance < best
        nearest[closer], best[closer] = cell, distance[closer]
    return nearest.astype(np.uint64)


def posts(address: str, side: int, per_request: int, seed: int) -> list[Post]:
    """Make the requests for a cube of blocks, neighbours along x together; bodies go on from block to block."""
    chance, count = np.random.default_rng(seed), side // SIDE
    shapes = [natural_block(chance) for _ in range(8)]
    found, parts = [], []
    for number in range(count**3):
        x, y, z = number % count, number // count % count, number // count**2
        near = chance.integers(0, 3, (CELLS, 3)) + np.array((x, y, z))  # a body reaches into blocks around
        names = 1 + np.arange(CELLS) + CELLS * (near @ np.array((1, count + 2, (count + 2) ** 2)))
        payload = kernels.write_blocks(names.astype(np.uint64)[shapes[number % 8]], (SIDE, SIDE, SIDE), 1)[0]
        parts.append(np.array((x, y, z, len(payload)), "<i4").tobytes() + payload)
        if len(parts) == per_request or number == count**3 - 1:
            found.append(Post(f"{address}/blocks?downres=true", b"".join(parts)))
            parts = []
    return found


def processor_seconds(pid: int) -> float:
    """Read how long a process has computed."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def ingest(folder: Path, connections: int, side: int, per_request: int) -> tuple[float, float]:
    """Ingest by so many connections; returns seconds for each block, and seconds that the server computed for it."""
    server = ServerProcess(folder)
    try:
        root = server.client.new_repo()
        server.client.new_instance(root, "labelmap", "seg", BlockSize="64,64,64", MaxDownresLevel="2")
        requests = posts(f"/api/node/{root}/seg", side, per_request, 1)
        cluster = Cluster(server.port)
        begun, idle = time.perf_counter(), processor_seconds(server.pid)
        asyncio.run(cluster.send([requests[lane::connections] for lane in range(connections)]))
        seconds, busy = time.perf_counter() - begun, processor_seconds(server.pid) - idle
        server.stop()
    finally:
        if server.alive:
            server.kill()
    count = (side // SIDE) ** 3
    return seconds / count, busy / count


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--side", type=int, default=512, help="voxels of the cube along each axis")
    parser.add_argument("--blocks", type=int, default=1, help="blocks in a request")
    parser.add_argument("--repeats", type=int, default=3, help="the best counts")
    parser.add_argument("--folder", help="where the data lies meanwhile")
    options = parser.parse_args()
    figures: dict[int, list[tuple[float, float]]] = {connections: [] for connections in CONNECTIONS}
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        for repeat in range(options.repeats):
            for connections, found in figures.items():
                found.append(ingest(Path(folder, f"{connections}-{repeat}"), connections, options.side, options.blocks))
    for connections, found in figures.items():
        seconds, busy = (min(column) for column in zip(*found, strict=True))
        rate = f"{1 / seconds:8.1f} blocks a second ({SIDE**3 / seconds / 1e6:.0f} megavoxels)"
        print(f"{connections:3} connections {rate}, {busy * 1000:.1f} ms of a processor for each")


if __name__ == "__main__":
    main()

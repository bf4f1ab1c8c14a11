"""Millions of mappings in a server of its own: `python benchmarks/mappings.py [--millions 5] [--folder /tmp]`.

Prints how fast they are posted, how soon a restarted server answers right, what memory it then holds, and how long
10,000 random ones take: at once after the posts, while their runs are still folded by a job, and when that is done.
Ends with status 1 if an answer is wrong.
"""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from dvid_labels import kernels
from numpy.typing import NDArray

from dvid_framework.testing.client import Client
from dvid_framework.testing.running import ServerProcess

PER_REQUEST = 1_000_000
ASKED = 10_000
REPEATS = 100
IDLE_SECONDS = 3.0
Labels = NDArray[np.uint64]


def supervoxels(request: int, count: int = PER_REQUEST) -> Labels:
    """Give the supervoxels of one request: random, and the same again at every call."""
    return np.random.default_rng(request).integers(1, 1 << 40, count, np.uint64)


def bodies(labels: Labels, total: int) -> Labels:
    """Give the body of each supervoxel: one of a tenth as many, in no order."""
    mixed = (labels * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(24)
    return np.uint64(1) + mixed % np.uint64(max(1, total // 10))


def post_all(client: Client, address: str, requests: int) -> float:
    """Post all entries; returns the seconds of the requests."""
    seconds = 0.0
    for request in range(requests):
        labels = supervoxels(request)
        body = kernels.encode_mapping_ops(labels, bodies(labels, requests * PER_REQUEST))
        begun = time.perf_counter()
        client.post(f"{address}/mappings", body).ok()
        took = time.perf_counter() - begun
        seconds += took
        print(f"\r{request + 1:4} million, the last one in {took:.2f} s ", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return seconds


def chosen(chance: np.random.Generator, requests: int, count: int = ASKED) -> Labels:
    """Choose some of the posted supervoxels, out of several requests."""
    drawn = [supervoxels(int(number)) for number in chance.integers(0, requests, 4)]
    return chance.choice(np.concatenate(drawn), count)


def ask(client: Client, address: str, labels: Labels, total: int) -> float:
    """Ask for the bodies of supervoxels, and check them; returns the seconds of the request."""
    body = json.dumps(labels.tolist())
    begun = time.perf_counter()
    reply = client.get(f"{address}/mapping", body).ok()
    seconds = time.perf_counter() - begun
    if reply.json() != bodies(labels, total).tolist():
        sys.exit("a wrong answer")
    return seconds


def megabytes(pid: int, field: str) -> float:
    """Read a number of a process: `VmRSS` what it holds, `VmHWM` the most it held."""
    line = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith(field))
    return int(line.split()[1]) / 1000


def busy(pid: int) -> float:
    """Return the seconds that the threads of a process have run: other work on the machine does not count."""
    tasks = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(task.read_text().split()[0]) for task in tasks) / 1e9


def fold(client: Client) -> float:
    """Wait until the server has no job left; returns the seconds."""
    begun = time.perf_counter()
    while any(job["state"] in ("queued", "running") for job in client.json("/api/jobs")):
        time.sleep(0.1)
    return time.perf_counter() - begun


def look_up(folder: Path, address: str, requests: int) -> ServerProcess:
    """Start a server, ask it, and print what it took; returns the server."""
    chance, total = np.random.default_rng(99), requests * PER_REQUEST
    first = chosen(chance, requests, 10)
    begun = time.perf_counter()
    server = ServerProcess(folder / "data")
    started = time.perf_counter() - begun
    ask(server.client, address, first, total)
    print(
        f"restart       {time.perf_counter() - begun:8.2f} s to the first answer ({started:.2f} to the server's)",
        end="",
    )
    print(f", {busy(server.pid):.2f} of its CPU")
    time.sleep(IDLE_SECONDS)
    print(f"memory        {megabytes(server.pid, 'VmRSS'):8.0f} MB idle after that", end="")
    print(f" ({megabytes(server.pid, 'VmHWM'):.0f} at most)")
    times, spent = [], []
    for _ in range(REPEATS):
        asked, before = chosen(chance, requests), busy(server.pid)
        times.append(ask(server.client, address, asked, total))
        spent.append(busy(server.pid) - before)
    p50, p95 = np.percentile(times, (50, 95)) * 1000
    print(f"mapping       {p50:8.1f} ms p50, {p95:.1f} ms p95, of {ASKED} random ones; the first {times[0] * 1000:.1f}")
    p50, p95 = np.percentile(spent, (50, 95)) * 1000
    print(f"              {p50:8.1f} ms p50, {p95:.1f} ms p95, of the server's CPU")
    print(f"memory        {megabytes(server.pid, 'VmRSS'):8.0f} MB after {REPEATS} of them", end="")
    print(f", {megabytes(server.pid, 'RssAnon'):.0f} without files that are mapped", flush=True)
    return server


def run(folder: Path, requests: int) -> None:
    """Do all, and print it."""
    total = requests * PER_REQUEST
    server = ServerProcess(folder / "data")
    try:
        root = server.client.new_repo()
        server.client.new_instance(root, "labelmap", "seg")
        address = f"/api/node/{root}/seg"
        seconds = post_all(server.client, address, requests)
        print(f"posted        {total / seconds / 1e6:8.2f} million entries a second ({requests} requests)")
        print(f"              {total / busy(server.pid) / 1e6:8.2f} million entries a second of its CPU")
        print(f"memory        {megabytes(server.pid, 'VmHWM'):8.0f} MB at most while they are posted", end="")
        print(f", {megabytes(server.pid, 'RssAnon'):.0f} without files that are mapped at the end", flush=True)
        server.stop()
        server = look_up(folder, address, requests)
        print(f"folded after  {fold(server.client):8.1f} s more", flush=True)
        print(f"memory        {megabytes(server.pid, 'VmHWM'):8.0f} MB at most meanwhile")
        server.stop()
        server = look_up(folder, address, requests)
    finally:
        if server.alive:
            server.kill()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--millions", type=int, default=5, help="how many: 5, 20, 100")
    parser.add_argument("--folder", help="where the data lies meanwhile")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        run(Path(folder), options.millions)


if __name__ == "__main__":
    main()

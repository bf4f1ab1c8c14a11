"""How long a start takes with many repos and versions, and what a read costs deep in a repo.

    .venv/bin/python benchmarks/many_versions.py [--repos 1000] [--versions 100000] [--depth 1000] [--engine NAME]

Prints the seconds from the start of the process to the first answer, the processor's seconds in it, and microseconds of
CPU for reads of a key that was written at the root, at the newest version, and at many versions, and of a hundred keys,
at depth 1 and DEPTH.
"""

from __future__ import annotations

import argparse
import http.client
import os
import resource
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from dvid_framework.api import Instance
from dvid_framework.plugins import Plugins
from dvid_framework.storage.stores import StoreConfig, Stores
from dvid_framework.testing.core import Core, embedded_openers
from dvid_framework.testing.running import free_port
from dvid_framework.versions.gate import Gates
from dvid_framework.versions.ids import new_uuid, now_rfc3339
from dvid_framework.versions.record import RepoRecord, VersionRecord
from dvid_framework.versions.repo import Repo
from dvid_framework.versions.repos import Repos


def fill(folder: Path, engine: str, repos: int, versions: int) -> None:
    """Make repos, each with a chain of versions that branches now and then."""
    stores = Stores({"default": StoreConfig(engine, folder / "default")}, Plugins(discover=False).engines)
    found, each = Repos(stores.metadata, Gates()), versions // repos
    now, number = now_rfc3339(), 0
    for repo in range(1, repos + 1):
        chain = []
        for at in range(each):
            number += 1
            parents = [] if at == 0 else [number - 1 if at % 10 else number - min(at, 5)]
            branch = "" if at % 10 or not at else f"b{at}"
            chain.append(
                VersionRecord(
                    id=number, repo=repo, uuid=new_uuid(), branch=branch, note=f"version {at}", log=[f"{now}  made"],
                    locked=at < each - 1, parents=parents, created=now, updated=now,
                )
            )  # fmt: skip
        record = RepoRecord(id=repo, root=chain[0].uuid, alias=f"repo-{repo}", created=now, updated=now)
        found.write([{"Action": "newrepo"}], repo=record, versions=tuple(chain))
    stores.close()


def first_answer(folder: Path) -> tuple[float, float]:
    """Start a server; return the seconds until it answers, and the processor's seconds."""
    port, began = free_port(), time.perf_counter()
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-m", "dvid_framework.cli", "serve", "--data", str(folder), "--port", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=os.environ)
    while True:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
            connection.request("GET", "/api/server/info")
            assert connection.getresponse().status == 200
            break
        except OSError:
            time.sleep(0.01)
    seconds = time.perf_counter() - began
    server.send_signal(signal.SIGTERM)
    server.wait()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return seconds, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _cost(read: Callable[[], object], rounds: int = 5, times: int = 400) -> float:
    """Return the median CPU microseconds of a call."""
    costs = []
    for _ in range(rounds):
        began = time.process_time()
        for _ in range(times):
            read()
        costs.append((time.process_time() - began) / times * 1e6)
    return statistics.median(costs)


def _deep(core: Core, depth: int) -> tuple[Instance, Repo, list[int]]:
    """Make a chain of versions; return the instance, the repo, and the second version and the last."""
    repo = core.repos.create()
    instance = core.instance(repo, "data")
    version, ids = repo.dag.root, []
    for at in range(depth):
        if at:
            core.repos.update_version(repo, version.id, {}, locked=True)
            version = core.repos.add_version(repo, [version.id], entry=lambda _: {})
        ids.append(version.id)
        keys = [b"old%02d" % number for number in range(100)] + [b"old"] if at == 0 else []
        keys += [b"often"] * (at % max(depth // 50, 1) == 0) + [b"new"] * (at in (0, depth - 1))
        with instance.begin(version) as txn:
            for key in keys:
                txn.put(key, bytes(100))
    return instance, repo, [ids[1], ids[-1]]


def depths(folder: Path, engine: str, depth: int) -> None:
    """Compare reads at the second version of a repo with reads at one of DEPTH."""
    core = Core(folder, embedded_openers()[engine](folder / "store"))
    instance, repo, places = _deep(core, depth)

    def read(place: int, name: bytes) -> object:
        with instance.view(repo.dag[place]) as view:
            return list(view.scan(b"old")) if name == b"scan" else view.get(name)

    for name in (b"old", b"new", b"often", b"scan"):
        shallow, deep = (_cost(partial(read, place, name), times=50 if name == b"scan" else 400) for place in places)
        what = f"{engine}: {name.decode():6} {shallow:8.1f} us at depth 1,"
        print(f"{what} {deep:8.1f} at {depth}: {deep / shallow:.2f}")
    core.close()


def main() -> None:
    """Run all of it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--repos", type=int, default=1000)
    parser.add_argument("--versions", type=int, default=100_000)
    parser.add_argument("--depth", type=int, default=1000)
    parser.add_argument("--engine", choices=list(embedded_openers()), default=next(iter(embedded_openers())))
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        fill(folder / "empty", given.engine, 1, 1)
        fill(folder / "many", given.engine, given.repos, given.versions)
        for what in ("empty", "many", "many"):
            seconds, processor = first_answer(folder / what)
            print(f"{given.engine}: first answer of {what:5} {seconds:6.2f} s, {processor:6.2f} s of CPU with the stop")
        (folder / "depth").mkdir()
        depths(folder / "depth", given.engine, given.depth)


if __name__ == "__main__":
    main()

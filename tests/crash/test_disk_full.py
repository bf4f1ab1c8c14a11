"""A server whose disk fills: 507, it lives, reads work, and writes go on without a restart once there is room.

Room is taken away by a quota (a limit on the size of files that is set from outside), and where this user may mount one
by a small disk in memory, which others fill.
"""

from __future__ import annotations

import os
import random
import resource
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from dvid_framework.plugins import Plugins
from dvid_framework.storage.embedded_database import newest_log
from dvid_framework.testing import tiny
from dvid_framework.testing.crash import fsck_problems
from dvid_framework.testing.pytest_plugin import ProcessFactory
from dvid_framework.testing.running import ServerProcess

ROUNDS = int(os.environ.get("DVID_FULL_ROUNDS", "3"))
_MOUNT = ["mount", "-t", "tmpfs", "-o", "size=96m", "tmpfs"]

pytestmark = [pytest.mark.crash, pytest.mark.timeout(60 + 60 * ROUNDS)]


@dataclass
class Disk:
    """A disk that can be filled.

    Attributes:
        folder: where it is.
        fill: takes the room away from a server's process.
        free: gives it back.
    """

    folder: Path
    fill: Callable[[int], None]
    free: Callable[[int], None]


def _can_mount(folder: Path) -> bool:
    folder.mkdir()
    done = subprocess.run([*_MOUNT, folder], check=False, capture_output=True)
    return done.returncode == 0


def _quota(folder: Path) -> Disk:
    most = resource.RLIM_INFINITY

    def fill(pid: int) -> None:
        log = newest_log(folder / "data" / "default")
        assert log is not None
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (log.stat().st_size + random.randrange(400_000), most))

    return Disk(folder, fill, lambda pid: resource.prlimit(pid, resource.RLIMIT_FSIZE, (most, most)) and None)


def _small_disk(folder: Path) -> Disk:
    def fill(pid: int) -> None:
        del pid
        with (folder / "ballast").open("wb", buffering=0) as ballast:
            try:
                while True:
                    ballast.write(bytes(1 << 16))
            except OSError:
                return

    return Disk(folder, fill, lambda pid: (folder / "ballast").unlink())


@pytest.fixture
def disks(tmp_path: Path) -> Iterator[list[Disk]]:
    """Give the kinds of disk that this machine has."""
    (tmp_path / "quota").mkdir()
    found, small = [_quota(tmp_path / "quota")], tmp_path / "small"
    mounted = _can_mount(small)
    if mounted:
        found.append(_small_disk(small))
    yield found
    if mounted:
        subprocess.run(["umount", "-l", small], check=True)


class _Writes:
    """Posts values, and knows which were acknowledged."""

    def __init__(self, server: ServerProcess, address: str) -> None:
        self._server = server
        self._address = address
        self._number = 0
        self.acknowledged: dict[str, bytes] = {}

    def post(self) -> int:
        self._number += 1
        key, value = f"k{self._number % 40}", random.randbytes(100_000)
        reply = self._server.client.post(f"{self._address}/pair/{key}", value)
        if reply.status == 200:
            self.acknowledged[key] = value
        return reply.status

    def check(self, server: ServerProcess) -> None:
        for key, value in self.acknowledged.items():
            assert server.client.get(f"{self._address}/pair/{key}").body == value


def _fill_and_free(disk: Disk, server: ServerProcess, writes: _Writes) -> None:
    disk.fill(server.pid)
    statuses = [writes.post() for _ in range(20)]
    assert set(statuses) <= {200, 503, 507}, server.output()
    assert 507 in statuses
    writes.check(server)
    assert server.client.get("/api/heartbeat").text == "OK"
    disk.free(server.pid)
    deadline = time.monotonic() + 30
    while (status := writes.post()) != 200:
        assert status in (503, 507)
        assert time.monotonic() < deadline, server.output()
        time.sleep(0.05)


def test_a_server_goes_on_after_its_disk_was_full(dvid_process: ProcessFactory, disks: list[Disk]) -> None:
    modules = ("dvid_framework.testing.tiny",)
    for disk in disks:
        data = disk.folder / "data"
        data.mkdir()
        server = dvid_process(data, modules)
        root = server.client.new_repo()
        server.client.new_instance(root, "tiny", "t")
        writes = _Writes(server, f"/api/node/{root}/t")
        for _ in range(ROUNDS):
            for _ in range(30):
                assert writes.post() == 200
            _fill_and_free(disk, server, writes)
        assert server.alive
        server.kill()
        assert fsck_problems(data, Plugins({"tiny": tiny}, discover=False)) == []
        again = dvid_process(data, modules)
        writes.check(again)
        assert again.stop() == 0

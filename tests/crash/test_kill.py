"""kill -9 among writes: nothing acknowledged is lost, and no half mutation is visible."""

from __future__ import annotations

import gzip
import os
import struct
from array import array
from collections.abc import Callable, Collection
from pathlib import Path

import pytest

from dvid_framework.plugins import Plugins
from dvid_framework.testing import tiny
from dvid_framework.testing.client import Client
from dvid_framework.testing.crash import CrashReport, GroupWorkload, Workload, fsck_problems, run_crash_cycles
from dvid_framework.testing.pytest_plugin import ProcessFactory

CYCLES = int(os.environ.get("DVID_CRASH_CYCLES", "3"))

pytestmark = [pytest.mark.crash, pytest.mark.timeout(60 + 30 * CYCLES)]
Run = Callable[[Workload], CrashReport]


@pytest.fixture
def run(dvid_process: ProcessFactory, tmp_path: Path) -> Run:
    """Run the cycles with the installed plugins, and judge what is common to all workloads."""

    def run_it(workload: Workload) -> CrashReport:
        data = tmp_path / "data"
        report = run_crash_cycles(lambda: dvid_process(data), workload, CYCLES, lambda: fsck_problems(data))
        assert report.problems == []
        assert report.cycles == CYCLES
        assert report.acknowledged >= workload.writers
        return report

    return run_it


def _send_json(client: Client, address: str, pairs: dict[str, str]) -> None:
    client.post(f"{address}/pairs", pairs).ok()


def test_groups_of_the_tiny_type(dvid_process: ProcessFactory, tmp_path: Path) -> None:
    data, modules = tmp_path / "data", ("dvid_framework.testing.tiny",)
    report = run_crash_cycles(
        lambda: dvid_process(data, modules),
        GroupWorkload("tiny", _send_json, "/pair/{}"),
        CYCLES,
        lambda: fsck_problems(data, Plugins({"tiny": tiny})),
    )
    assert report.problems == []
    assert report.acknowledged >= 4


def _varint(number: int) -> bytes:
    found = bytearray()
    while number > 127:
        found.append(number & 127 | 128)
        number >>= 7
    return bytes([*found, number])


def _field(number: int, data: bytes) -> bytes:
    return bytes([number << 3 | 2]) + _varint(len(data)) + data


def _send_keyvalues(client: Client, address: str, pairs: dict[str, str]) -> None:
    """POST the protobuf message KeyValues."""
    message = b"".join(_field(1, _field(1, k.encode()) + _field(2, v.encode())) for k, v in pairs.items())
    client.post(f"{address}/keyvalues", message).ok()


def test_groups_of_keyvalues(run: Run) -> None:
    run(GroupWorkload("keyvalue", _send_keyvalues, "/key/{}"))


class SingleKeys:
    """Each writer sets one key again and again; values have a few hundred kilobytes."""

    writers = 4

    def prepare(self, client: Client) -> None:
        root = client.new_repo()
        client.new_instance(root, "keyvalue", "kv")
        self._address = f"/api/node/{root}/kv/key"

    def write(self, client: Client, writer: int, generation: int) -> None:
        client.post(f"{self._address}/w{writer}", array("I", [generation]).tobytes() * 60_000).ok()

    def visible(self, client: Client, writer: int) -> Collection[int]:
        reply = client.get(f"{self._address}/w{writer}")
        return {0} if reply.status == 404 else set(array("I", reply.ok().body))


def test_large_single_values(run: Run) -> None:
    run(SingleKeys())


class Blocks:
    """Each writer ingests 4 x 2 x 2 label blocks of its own, with all lower scales, of one label: the generation.

    The bodies of the writers lie so that no two share a block at any scale.
    """

    writers = 2
    _BLOCKS = tuple((x, y, z) for z in range(2) for y in range(2) for x in range(4))

    def prepare(self, client: Client) -> None:
        root = client.new_repo()
        client.new_instance(root, "labelmap", "seg", BlockSize="64,64,64", MaxDownresLevel="2")
        self._address = f"/api/node/{root}/seg"

    def write(self, client: Client, writer: int, generation: int) -> None:
        block = gzip.compress(struct.pack("<4IQ", 8, 8, 8, 1, generation), 1)
        heads = (struct.pack("<4i", x, y, z + 16 * writer, len(block)) for x, y, z in self._BLOCKS)
        client.post(f"{self._address}/blocks?downres=true", b"".join(head + block for head in heads)).ok()

    def visible(self, client: Client, writer: int) -> Collection[int]:
        found: set[int] = set()
        for scale in range(3):
            size = f"{256 >> scale}_{128 >> scale}_{128 >> scale}"
            path = f"{self._address}/raw/0_1_2/{size}/0_0_{1024 * writer >> scale}?scale={scale}"
            found |= set(array("Q", client.get(path).ok().body))
        return found


def test_ingest_of_label_blocks_at_all_scales(run: Run) -> None:
    run(Blocks())

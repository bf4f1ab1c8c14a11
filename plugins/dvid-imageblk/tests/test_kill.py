"""kill -9 while blocks are written: each write is whole, with its lower resolutions."""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path

import numpy as np
import pytest

from dvid_framework.testing.client import Client
from dvid_framework.testing.crash import fsck_problems, run_crash_cycles
from dvid_framework.testing.pytest_plugin import ProcessFactory

CYCLES = int(os.environ.get("DVID_CRASH_CYCLES", "3"))
LEVELS = 3

pytestmark = [pytest.mark.crash, pytest.mark.timeout(60 + 30 * CYCLES)]


class Slabs:
    """Each writer fills its own 128x32x32 voxels with the generation."""

    writers = 4

    def prepare(self, client: Client) -> None:
        root = client.new_repo()
        client.new_instance(root, "uint16blk", "gray", BlockSize="16,16,16", MaxDownresLevel=str(LEVELS))
        self._address = f"/api/node/{root}/gray/raw/0_1_2"

    def write(self, client: Client, writer: int, generation: int) -> None:
        voxels = np.full(128 * 32 * 32, generation, "<u2")
        client.post(f"{self._address}/128_32_32/0_{32 * writer}_0", voxels.tobytes()).ok()

    def visible(self, client: Client, writer: int) -> Collection[int]:
        found: set[int] = set()
        for scale in range(LEVELS + 1):
            side = 32 >> scale
            path = f"{self._address}/{128 >> scale}_{side}_{side}/0_{side * writer}_0?scale={scale}"
            found |= set(np.frombuffer(client.get(path).ok().body, "<u2").tolist())
        return found


def test_scales_fit_after_a_kill(dvid_process: ProcessFactory, tmp_path: Path) -> None:
    data = tmp_path / "data"
    report = run_crash_cycles(lambda: dvid_process(data), Slabs(), CYCLES, lambda: fsck_problems(data))
    assert report.problems == []
    assert report.cycles == CYCLES
    assert report.acknowledged >= Slabs.writers

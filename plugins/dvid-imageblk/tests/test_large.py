"""A volume of 2 GB is sent in little memory."""

from __future__ import annotations

import http.client
from pathlib import Path

import numpy as np
import pytest

from dvid_framework.testing.pytest_plugin import ProcessFactory

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]
_GROWTH = 200 << 20
_PIECE = 1 << 20


def resident(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return 1024 * int(next(line for line in lines if line.startswith("VmHWM")).split()[1])


@pytest.mark.parametrize("path", ["raw/0_1_2/1290_1290_1290/-5_-5_-5", "blocks/-4_0_0/8192"])
def test_two_gigabytes(dvid_process: ProcessFactory, tmp_path: Path, path: str) -> None:
    server = dvid_process(tmp_path / "data")
    client = server.client
    root = client.new_repo()
    client.new_instance(root, "uint8blk", "gray", BlockSize="64,64,64", Background="7")
    noise = np.random.default_rng(0).integers(0, 255, (64, 256, 256), np.uint8)
    for z in (0, 512, 1024):
        client.post(f"/api/node/{root}/gray/raw/0_1_2/256_256_64/0_0_{z}", noise.tobytes()).ok()
    client.get(f"/api/node/{root}/gray/raw/0_1_2/64_64_64/0_0_0").ok()
    before = resident(server.pid)
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=120)
    connection.request("GET", f"/api/node/{root}/gray/{path}")
    answer = connection.getresponse()
    assert answer.status == 200
    count = 0
    while piece := answer.read(_PIECE):
        count += len(piece)
    connection.close()
    assert count == int(answer.headers["content-length"]) >= 2_000_000_000
    assert resident(server.pid) - before < _GROWTH

"""A million mappings: posted, looked up, and there again after a restart.

`DVID_MANY_MAPPINGS` makes it more; the times are written to the file `DVID_REPORT`.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from dvid_labels import kernels

from dvid_framework.testing import Plugins
from dvid_framework.testing.client import Client
from dvid_framework.testing.running import ServerThread

COUNT = int(os.environ.get("DVID_MANY_MAPPINGS", "1000000"))
POSTED = 1_000_000  # entries of one request
ASKED = 10_000
REPORT = Path(os.environ["DVID_REPORT"]) if "DVID_REPORT" in os.environ else None


def fold(client: Client) -> float:
    """Wait until no job is left; returns the seconds."""
    start = time.perf_counter()
    while any(job["state"] in ("queued", "running") for job in client.json("/api/jobs")):
        time.sleep(0.02)
    return time.perf_counter() - start


def test_a_million_mappings(
    tmp_path: Path,
    plugins: Callable[[], Plugins],
    record_property: Callable[[str, object], None],
    request: pytest.FixtureRequest,
) -> None:
    rng = np.random.default_rng(3)
    source = np.unique(rng.integers(1, 2**40, COUNT, np.uint64))
    target = source // np.uint64(1000)
    server = ServerThread(tmp_path, plugins=plugins())
    try:
        root = server.client.new_repo()
        server.client.new_instance(root, "labelmap", "seg", BlockSize="16,16,16")
        path = f"/api/node/{root}/seg"
        order = rng.permutation(len(source))
        spent = 0.0
        for first in range(0, len(order), POSTED):
            part = order[first : first + POSTED]
            body = kernels.encode_mapping_ops(source[part], target[part])
            start = time.perf_counter()
            server.client.post(f"{path}/mappings", body).ok()
            spent += time.perf_counter() - start
        voxel = np.full((16, 16, 16), source[77], np.uint64)
        server.client.post(f"{path}/raw/0_1_2/16_16_16/0_0_0", voxel.tobytes()).ok()
        folded = fold(server.client)
        places = rng.integers(0, len(source), ASKED)
        asked = source[places]
        times = []
        for _ in range(3):
            start = time.perf_counter()
            found = server.client.get(f"{path}/mapping", asked.tolist()).ok().json()
            times.append(time.perf_counter() - start)
            assert found == target[places].tolist()
        start = time.perf_counter()
        server.restart()
        assert server.client.get(f"{path}/mapping", asked[:5].tolist()).ok().json() == target[places[:5]].tolist()
        restarted = time.perf_counter() - start
        start = time.perf_counter()
        assert server.client.json(f"{path}/label/3_3_3") == {"Label": int(target[77])}
        assert (
            np.frombuffer(server.client.get(f"{path}/raw/0_1_2/16_16_16/0_0_0").ok().body, "<u8") == target[77]
        ).all()
        read = time.perf_counter() - start
        assert server.client.json(f"{path}/sparsevol-size/{target[77]}")["voxels"] == 16**3
        listed = np.frombuffer(server.client.get(f"{path}/mappings?format=binary").ok().body, "<u8").reshape(-1, 2)
        assert (listed[:, 0] == source).all()
        assert (listed[:, 1] == target).all()
        record_property("mappings", len(source))
        record_property("posted a second", round(len(source) / spent))
        record_property("then folded, seconds", round(folded, 2))
        record_property("first lookup of 10,000, seconds", round(times[0], 4))
        record_property("lookup of 10,000, seconds", round(min(times), 4))
        record_property("first answer after a restart, seconds", round(restarted, 2))
        record_property("then voxels, seconds", round(read, 3))
        if REPORT:
            REPORT.write_text("\n".join(f"{name}: {value}" for name, value in request.node.user_properties) + "\n")
    finally:
        server.stop()

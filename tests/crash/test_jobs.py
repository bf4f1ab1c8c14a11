"""Jobs among kills: they go on where they were, and end as if nothing had happened."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dvid_framework.testing.client import Client
from dvid_framework.testing.jobs import run_job_among_kills
from dvid_framework.testing.pytest_plugin import ProcessFactory

pytestmark = [pytest.mark.crash, pytest.mark.timeout(120)]


def _prepare(client: Client) -> str:
    root = client.new_repo()
    client.new_instance(root, "tiny", "t")
    address = f"/api/node/{root}/t"
    client.post(f"{address}/pairs", {f"k{number:04d}": str(number) for number in range(400)}).ok()
    return address


def _begin(client: Client, address: str) -> str:
    return str(client.post(f"{address}/append", b"+").ok().json()["job"])


def _state(client: Client, address: str) -> Any:
    return client.json(f"{address}/pairs"), [entry.get("Key") for entry in client.json(f"{address}/mutations")]


def test_each_pair_is_appended_to_exactly_once(dvid_process: ProcessFactory, tmp_path: Path) -> None:
    report = run_job_among_kills(
        lambda name: dvid_process(tmp_path / name, ("dvid_framework.testing.tiny",)), _prepare, _begin, _state
    )
    assert report.problems == []
    assert report.kills > 0

"""Conversations with servers of other settings: who is let in, what is refused, what browsers are told.

Each is prepared on a server of plain settings, which is then started again on the same data with its own.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest

from dvid_framework.testing.pytest_plugin import ProcessFactory
from dvid_framework.testing.running import free_port

ROOT = Path(__file__).parents[2]
FOLDER = Path(os.environ.get("DVID_CONFORMANCE", ROOT.parent / "shared" / "conformance"))
VARIANTS = FOLDER / "variants"
TOKEN = "peer"
PUBLIC = 'public_versions = ["c0de0000000000000000000000000a02"]'
DSG = f"""[auth]
enforce = "dsg"
enforce_internal = "none"
dsg_address = "http://127.0.0.1:{{port}}"
dsg_cache_ttl = 300
dataset_map = {{{{ "c0de0000000000000000000000000a01" = "brain" }}}}
{PUBLIC}
"""
BLOCKED = "u=blocked\nu=noted,too many requests of yours\nip=10.1.*.*,whole net\nip=192.168.1.7\n"
SETTINGS = {
    "single-repo": "",
    "readonly": '[server]\nrwmode = "readonly"\n',
    "fullwrite": '[server]\nrwmode = "fullwrite"\n',
    "blocklist": '[server]\nblockListFile = "blocked.txt"\n',
    "cors-any": '[server]\ncorsDomains = ["*"]\n',
    "cors-listed": '[server]\ncorsDomains = ["http://example.org"]\n',
    "token": '[auth]\nenforce = "token"\n',
    "public": f'[auth]\nenforce = "token"\n{PUBLIC}\n',
    "dsg": DSG,
}

pytestmark = pytest.mark.conformance


def _play(url: str, variant: str, group: str) -> str:
    command = [sys.executable, FOLDER / "replay.py", "--url", url, "--admin-token", TOKEN, "--strict"]
    result = subprocess.run(
        [*command, "--cases", VARIANTS / variant, group],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )
    assert result.returncode == 0, result.stdout[-8000:] + result.stderr[-2000:]
    return result.stdout.splitlines()[-1]


def _start_gateway() -> tuple[subprocess.Popen[bytes], int]:
    port = free_port()
    gateway = subprocess.Popen([sys.executable, VARIANTS / "dsg_mock.py", str(port)])
    deadline = time.monotonic() + 30
    while True:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5).close()
        except urllib.error.HTTPError as answer:
            answer.close()
            return gateway, port
        except OSError:
            assert time.monotonic() < deadline
            time.sleep(0.05)


@pytest.fixture
def gateway_port():
    """Start the stand-in for a DatasetGateway when its port is asked for."""
    running = []

    def start() -> int:
        gateway, port = _start_gateway()
        running.append(gateway)
        return port

    yield start
    for gateway in running:
        gateway.kill()
        gateway.wait()


def _needed_types(variant: str) -> set[str]:
    documents = [json.loads(path.read_text()) for path in (VARIANTS / variant).glob("*/*.json")]
    bodies = [step.get("body", {}).get("json") for document in documents for step in document["steps"]]
    return {str(body["typename"]) for body in bodies if isinstance(body, dict) and "typename" in body}


@pytest.mark.timeout(300)
@pytest.mark.parametrize("variant", [name for name in SETTINGS if (VARIANTS / name).exists()])
def test_a_server_of_other_settings_answers_as_recorded(
    variant: str,
    dvid_process: ProcessFactory,
    tmp_path: Path,
    gateway_port: Callable[[], int],
) -> None:
    data = tmp_path / "data"
    server = dvid_process(data, admin_token=TOKEN)
    missing = _needed_types(variant) - set(server.client.json("/api/server/compiled-types"))
    assert not missing, "datatypes that are not installed"
    if (VARIANTS / variant / "prepare").exists():
        _play(server.url, variant, "prepare")
    assert server.stop() == 0
    (tmp_path / "blocked.txt").write_text(BLOCKED)
    config = tmp_path / "config.toml"
    config.write_text(SETTINGS[variant].format(port=gateway_port()) if variant == "dsg" else SETTINGS[variant])
    environment = {"DVID_JWT_SECRET_KEY": "conformance-secret", "DVID_CONFIG": str(config)}
    server = dvid_process(data, admin_token=TOKEN, environment=environment)
    _play(server.url, variant, variant)
    assert server.stop() == 0
    assert "Traceback" not in server.output()


@pytest.mark.timeout(300)
def test_every_case_of_the_last_original_with_labelgraph_passes(dvid_process: ProcessFactory) -> None:
    server = dvid_process(admin_token=TOKEN)
    _play(server.url, "labelgraph-2023", "labelgraph")
    assert server.stop() == 0

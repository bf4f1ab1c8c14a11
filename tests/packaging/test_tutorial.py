"""The tutorial's datatype, as a reader makes it: built, pip-installed beside the core, and asked over a socket."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TUTORIAL = ROOT / "docs" / "tutorial"


def run(*command: str | Path, cwd: Path = ROOT) -> str:
    """Run a program; its output, and a failure with it."""
    # No inherited import path: what is tested is what gets installed.
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    result = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False, timeout=150)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def uv() -> str:
    """Return the uv of this environment."""
    found = shutil.which("uv", path=str(Path(sys.executable).parent)) or shutil.which("uv")
    assert found, "uv is part of the development environment: run `make install`"
    return found


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make an environment with the core's wheel and the tutorial's, and nothing else of ours."""
    folder = tmp_path_factory.mktemp("tutorial")
    for project in (ROOT, TUTORIAL):
        run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder / "dist", cwd=project)
    run(uv(), "venv", "--quiet", "--python", sys.executable, folder / "venv")
    python = folder / "venv" / "bin" / "python"
    wheels = sorted((folder / "dist").glob("*.whl"))
    run(uv(), "pip", "install", "--quiet", "--python", python, "--constraint", ROOT / "requirements.lock", *wheels)
    return folder / "venv" / "bin"


@pytest.fixture
def url(environment: Path, tmp_path: Path) -> Iterator[str]:
    """Serve an empty data folder; stopping by SIGTERM must end well."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    command = [environment / "dvid", "serve", "--data", tmp_path / "data", "--port", str(port)]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        address = f"http://127.0.0.1:{port}"
        deadline = time.monotonic() + 30
        while True:
            try:
                call(f"{address}/api/server/info")
                break
            except (urllib.error.URLError, ConnectionError):
                assert process.poll() is None, "the server ended"
                assert time.monotonic() < deadline, "the server did not start"
                time.sleep(0.05)
        yield address
    finally:
        process.terminate()
        status = process.wait(timeout=30)
    assert status == 0


def call(url: str, body: bytes | None = None) -> str:
    """GET, or POST a body; returns the answer's text."""
    with urllib.request.urlopen(urllib.request.Request(url, body), timeout=30) as answer:
        text: str = answer.read().decode()
        return text


def test_the_tutorial_is_as_short_as_it_says() -> None:
    files = sorted(path.name for path in TUTORIAL.iterdir() if path.is_file() and not path.name.startswith("."))
    assert files == ["dvid_greeting.py", "pyproject.toml"]
    code = [line for line in (TUTORIAL / "dvid_greeting.py").read_text().splitlines() if line.strip()]
    assert len(code) <= 45


def test_an_installed_datatype_answers(environment: Path, url: str) -> None:
    assert "dvid-greeting" in run(environment / "dvid", "plugins")
    assert "greeting" in json.loads(call(f"{url}/api/server/compiled-types"))
    root = json.loads(call(f"{url}/api/repos", b'{"alias": "tutorial"}'))["root"]
    call(f"{url}/api/repo/{root}/instance", b'{"typename": "greeting", "dataname": "hello"}')
    call(f"{url}/api/node/{root}/hello/word/en", b"Hello")
    assert call(f"{url}/api/node/{root}/hello/greet/en/Ada") == "Hello, Ada!"
    assert call(f"{url}/api/node/{root}/hello/greet/de/Ada") == "?, Ada!"

    call(f"{url}/api/node/{root}/commit", b"{}")
    with pytest.raises(urllib.error.HTTPError) as refused:
        call(f"{url}/api/node/{root}/hello/word/en", b"Too late")
    refused.value.close()
    assert refused.value.code == 400
    child = json.loads(call(f"{url}/api/node/{root}/newversion", b"{}"))["child"]
    call(f"{url}/api/node/{child}/hello/word/en", b"Good day")
    assert call(f"{url}/api/node/{child}/hello/greet/en/Ada") == "Good day, Ada!"
    assert call(f"{url}/api/node/{root}/hello/greet/en/Ada") == "Hello, Ada!"
    assert "Greet somebody" in call(f"{url}/api/help/greeting")

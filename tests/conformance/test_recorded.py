"""Conversations recorded from the original, played to our server: it must give the same answers.

The recordings are not part of this repository. DVID_CONFORMANCE names their folder, with its player `replay.py`, the
`cases/` and lists of cases in `expected/`.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from dvid_framework.testing.pytest_plugin import ProcessFactory

ROOT = Path(__file__).parents[2]
FOLDER = Path(os.environ.get("DVID_CONFORMANCE", ROOT.parent / "shared" / "conformance"))
TOKEN = "peer"
# The lists of `expected/` that must pass whole; each one grows this list when its work is done.
LISTS = ("01-first-light",)

pytestmark = pytest.mark.conformance


@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", LISTS)
def test_every_case_of_a_list_passes(
    name: str, dvid_process: ProcessFactory, capsys: pytest.CaptureFixture[str]
) -> None:
    server = dvid_process(admin_token=TOKEN)
    command = [sys.executable, FOLDER / "replay.py", "--url", server.url, "--admin-token", TOKEN]
    result = subprocess.run(
        [*command, "--expect", FOLDER / "expected" / f"{name}.txt"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )
    assert result.returncode == 0, result.stdout[-8000:] + result.stderr[-2000:]
    assert server.stop() == 0
    with capsys.disabled():
        print(f"\n{name}: {result.stdout.splitlines()[-1]}")  # noqa: T201 - the figure that is looked for

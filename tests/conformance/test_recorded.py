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
from dvid_framework.testing.running import ServerProcess

ROOT = Path(__file__).parents[2]
FOLDER = Path(os.environ.get("DVID_CONFORMANCE", ROOT.parent / "shared" / "conformance"))
TOKEN = "peer"
# What must pass whole: lists of `expected/`, each of which has all of the earlier ones.
LISTS = ("06-objects",)

pytestmark = pytest.mark.conformance


def _play(server: ServerProcess, *chosen: str | Path) -> str:
    """Return the line that sums up."""
    result = subprocess.run(
        [sys.executable, FOLDER / "replay.py", "--url", server.url, "--admin-token", TOKEN, *chosen],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )
    assert result.returncode == 0, result.stdout[-8000:] + result.stderr[-2000:]
    assert server.stop() == 0
    return result.stdout.splitlines()[-1]


@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", LISTS)
def test_every_case_of_a_list_passes(
    name: str, dvid_process: ProcessFactory, capsys: pytest.CaptureFixture[str]
) -> None:
    figure = _play(dvid_process(admin_token=TOKEN), "--expect", FOLDER / "expected" / f"{name}.txt")
    with capsys.disabled():
        print(f"\n{name}: {figure}")  # noqa: T201 - the figure that is looked for

"""The README's session, typed as it stands."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from dvid_framework.testing.pytest_plugin import ProcessFactory

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"


def session() -> list[tuple[str, str]]:
    """Return the commands of the README's session, each with the output that it shows."""
    block = re.search(r"```console\n(.*?)```", README.read_text(), re.DOTALL)
    assert block is not None
    steps = re.split(r"^\$ ", block[1], flags=re.MULTILINE)[1:]
    return [(command, output.strip()) for command, _, output in (step.partition("\n") for step in steps)]


def test_it_fits_a_page() -> None:
    assert len(README.read_text().splitlines()) <= 100


def test_the_session_answers_as_shown(dvid_process: ProcessFactory) -> None:
    server = dvid_process()
    steps = [(command.replace("localhost:8000", f"127.0.0.1:{server.port}"), shown) for command, shown in session()]
    script = "".join(f"{command}\necho; echo ---\n" for command, _ in steps)
    result = subprocess.run(["bash", "-eu"], input=script + "echo $ROOT", capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    *answers, root = [answer.strip() for answer in result.stdout.split("---\n")]
    for (command, shown), answer in zip(steps, answers, strict=True):
        if shown:
            assert answer.replace(root, "ROOT") == shown, command

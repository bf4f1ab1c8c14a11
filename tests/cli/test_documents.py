"""The page about the command line: each command that it shows runs, and answers as shown."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from string import Template

import pytest

from dvid_framework.cli import app
from dvid_framework.testing.pytest_plugin import ServerFactory
from tests.cli.conftest import Dvid

PAGE = Path(__file__).parents[2] / "docs" / "command-line.md"


def sessions() -> list[list[tuple[str, str]]]:
    """Return the sessions of the page: each command with the output that it shows."""
    found = []
    for block in re.findall(r"```console\n(.*?)```", PAGE.read_text(), re.DOTALL):
        steps = re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]
        found.append([(command, shown.strip()) for command, _, shown in (step.partition("\n") for step in steps)])
    return found


def test_the_commands_answer_as_shown(
    run: Dvid, tmp_path: Path, dvid_server: ServerFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = dvid_server(tmp_path / "data")
    variables = {"DATA": str(tmp_path / "data")}
    *online, offline = sessions()
    for session in (*online, offline):
        if session is offline:
            server.stop()
            monkeypatch.delenv("DVID_URL")
        else:
            monkeypatch.setenv("DVID_URL", server.url)
        for line, shown in session:
            match = re.fullmatch(r"(?:(\w+)=\$\()?dvid (.*?)(\))?", line)
            assert match is not None, line
            said = run(*shlex.split(Template(match[2]).substitute(variables)))
            assert said.status == 0, (line, said.err)
            assert said.out.strip()
            if match[1]:
                variables[match[1]] = said.out.strip()
            elif shown:
                assert said.out.strip() == re.sub(r"[A-Z]{4,}", lambda name: variables[name[0]], shown)


def test_every_command_is_on_the_page() -> None:
    shown = set(re.findall(r"`([a-z]+)[` ]", PAGE.read_text()))
    assert {name for name in app if not name.startswith("-")} <= shown

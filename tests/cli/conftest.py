"""A command line in this process, for a server and for a folder in turn."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import structlog

from dvid_framework.cli import main
from dvid_framework.testing.pytest_plugin import ServerFactory


@dataclass(frozen=True)
class Said:
    """What a command said.

    Attributes:
        status: its exit status.
        out: standard output.
        err: standard error.
    """

    status: int
    out: str
    err: str

    def json(self) -> Any:
        assert self.status == 0, self.err
        return json.loads(self.out)


Dvid = Callable[..., Said]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Dvid]:
    """Run `dvid` with the arguments."""
    for name in ("DVID_URL", "DVID_DATA", "DVID_TOKEN", "DVID_ADMIN_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(
        "DVID_LOAD_PLUGINS", "keyvalue"
    )  # a folder is opened by each command, with all that is installed

    def run(*arguments: str) -> Said:
        monkeypatch.setattr(sys, "argv", ["dvid", *arguments])
        status = 0
        try:
            main()
        except SystemExit as ended:
            status = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
        said = capsys.readouterr()
        return Said(status, said.out, said.err)

    yield run
    structlog.reset_defaults()  # a command sets up the log of its process


@pytest.fixture(params=["server", "folder"])
def dvid(request: pytest.FixtureRequest, run: Dvid, tmp_path: Path, dvid_server: ServerFactory) -> Dvid:
    """Run `dvid` for a server, or for a folder."""
    if request.param == "server":
        where = ("--url", dvid_server().url)
    else:
        (tmp_path / "folder").mkdir()
        where = ("--data", str(tmp_path / "folder"))
    return lambda *arguments: run(*arguments, *where)

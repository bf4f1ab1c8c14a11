"""The test that the documentation shows to authors of datatypes."""

from __future__ import annotations

import runpy
import textwrap
from pathlib import Path

from dvid_framework.testing import Plugins
from dvid_framework.testing.modules import module_beside
from dvid_framework.testing.pytest_plugin import ServerFactory
from dvid_framework.testing.running import ServerThread

DOCS = Path(__file__).parents[2] / "docs"


def test_the_shown_test_passes(dvid_server: ServerFactory, tmp_path: Path) -> None:
    page = (DOCS / "write-a-datatype.md").read_text()
    _, _, testing = page.partition("## Testing it")
    shown = [line for line in testing.splitlines() if line.startswith("    ") or not line]
    (tmp_path / "shown.py").write_text(textwrap.dedent("\n".join(shown)))
    greeting = module_beside(str(DOCS / "tutorial" / "pyproject.toml"), "dvid_greeting")

    def server() -> ServerThread:
        return dvid_server(plugins=Plugins({"greeting": greeting}, discover=False))

    runpy.run_path(str(tmp_path / "shown.py"))["test_greetings_belong_to_a_version"](server)

from __future__ import annotations

from pathlib import Path

import pytest

from dvid_framework.config import Config, load_config
from dvid_framework.errors import BadRequest


def test_the_defaults_are_shown_as_a_file_that_gives_them(tmp_path: Path) -> None:
    file = tmp_path / "defaults.toml"
    file.write_text(Config().masked())
    read, defaults = load_config(file), Config()
    assert (read.server, read.limits, read.logging) == (defaults.server, defaults.limits, defaults.logging)


def test_secrets_of_a_file_are_masked(tmp_path: Path) -> None:
    file = tmp_path / "server.toml"
    file.write_text('[server]\nnote = "shown"\n[store.a]\nengine = "leveldb"\nsecret_key = "hidden"\n')
    shown = load_config(file).masked()
    assert "shown" in shown
    assert "hidden" not in shown


@pytest.mark.parametrize("text", ["[server", '[server]\nrwmode = "sometimes"\n', "[limits]\nthreads = true\n"])
def test_a_wrong_file_is_refused_with_a_sentence(tmp_path: Path, text: str) -> None:
    file = tmp_path / "server.toml"
    file.write_text(text)
    with pytest.raises(BadRequest, match=r"configuration|rwmode"):
        load_config(file)

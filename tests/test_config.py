from __future__ import annotations

from pathlib import Path

import msgspec
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


def test_every_secret_of_a_file_is_masked(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(
        """# the password is hidden-1
[server]
note = "seen"
admin_token_file = "hidden-2"
webhook = "https://ann:hidden-3@example.org/hook?token=hidden-4&x=seen-too"
[auth]
secret_file = 'hidden-5'
[email]
password = '''
hidden-6
hidden-7'''
[store.main]
engine = "leveldb"
login = { user = "seen-user", password = "hidden-8", apiKey = "hidden-9" }
tokens = [
  "hidden-10",
]
[store.credentials]
engine = "hidden-11"
[store.other]
engine = "memory"
hosts = ["a", {password = "hidden-12", port = 5}]
"a key" = true
"""
    )
    shown = load_config(path).masked()
    assert "hidden" not in shown
    decoded = msgspec.toml.decode(shown)
    assert decoded["server"]["note"] == "seen"
    assert decoded["server"]["webhook"] == "https://***@example.org/hook?token=***&x=seen-too"
    assert decoded["store"]["main"]["login"]["user"] == "seen-user"
    assert decoded["store"]["other"] == {
        "engine": "memory",
        "hosts": ["a", {"password": "***", "port": 5}],
        "a key": "***",
    }

"""Files of mutation records: the original's form, from the log, nothing lost when the disk is away or the file torn."""

from __future__ import annotations

import json
import struct
import time
from pathlib import Path
from typing import Any

import google_crc32c
import pytest

from dvid_framework.config import Config, LoggingSettings, MutationSettings
from dvid_framework.events import mutation_files
from dvid_framework.plugins import Plugins
from dvid_framework.testing import tiny
from dvid_framework.testing.pytest_plugin import ServerFactory
from dvid_framework.testing.running import ServerThread


def records(path: Path) -> list[dict[str, Any]]:
    """Return what is in a file, of which every byte belongs to a record."""
    data, at, found = path.read_bytes(), 0, []
    while at < len(data):
        length, checksum, kind = struct.unpack_from("<IIH", data, at)
        text = data[at + 10 : at + 10 + length]
        assert (len(text), google_crc32c.value(text), kind) == (length, checksum, 1)
        found.append(json.loads(text))
        at += 10 + length
    return found


@pytest.fixture
def server(dvid_server: ServerFactory, tmp_path: Path) -> ServerThread:
    config = Config(mutations=MutationSettings(jsonstore=str(tmp_path / "plogs")))
    return dvid_server(plugins=Plugins({"tiny": tiny}, discover=False), config=config)


@pytest.fixture
def path(server: ServerThread, tmp_path: Path) -> Path:
    """The file of a new instance at a new root."""
    root = server.client.new_repo()
    server.client.new_instance(root, "tiny", "t")
    uuid = server.client.json(f"/api/node/{root}/t/info")["Base"]["DataUUID"]
    return tmp_path / "plogs" / f"{uuid}-{root}.plog"


def put(server: ServerThread, path: Path, *keys: str) -> None:
    root = path.stem.partition("-")[2]
    for key in keys:
        server.client.post(f"/api/node/{root}/t/pair/{key}", b"x").ok()


def test_records_are_what_mutations_shows(server: ServerThread, path: Path) -> None:
    put(server, path, "a", "b")
    shown = server.client.json(f"/api/node/{path.stem.partition('-')[2]}/t/mutations")
    server.stop()
    assert records(path) == shown
    assert [entry["Key"] for entry in shown] == ["a", "b"]


def test_what_was_not_written_comes_after_a_restart(
    server: ServerThread, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(server, path, "a")
    server.restart()

    def fail(*_: Any) -> None:
        raise OSError("the disk is away")

    with monkeypatch.context() as patching:
        patching.setattr(mutation_files.MutationFiles, "_append", fail)
        put(server, path, "b", "c")
        server.stop()
    assert [entry["Key"] for entry in records(path)] == ["a"]
    server.restart()
    put(server, path, "d")
    deadline = time.monotonic() + 10
    while len(records(path)) < 4:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert [entry["Key"] for entry in records(path)] == ["a", "b", "c", "d"]


@pytest.mark.parametrize("torn", [b"\x05", b"\x05\x00\x00\x00\x01\x02\x03\x04\x01\x00abcde", b"\xff" * 12])
def test_a_torn_record_is_removed(server: ServerThread, path: Path, torn: bytes) -> None:
    put(server, path, "a")
    server.stop()
    with path.open("ab") as file:
        file.write(torn)
    server.restart()
    put(server, path, "b")
    server.stop()
    assert [entry["Key"] for entry in records(path)] == ["a", "b"]


def test_a_full_file_is_set_aside(dvid_server: ServerFactory, server: ServerThread, path: Path) -> None:
    server.stop()
    config = Config(mutations=MutationSettings(jsonstore=str(path.parent)), logging=LoggingSettings(max_log_size=0))
    other = dvid_server(server.data, plugins=Plugins({"tiny": tiny}, discover=False), config=config)
    for number in range(3):
        put(other, path, f"k{number}")
        deadline = time.monotonic() + 10
        while not path.with_name(f"{path.name}.{number + 1}").exists():
            assert time.monotonic() < deadline
            time.sleep(0.01)
    found = [records(path.with_name(f"{path.name}.{number}"))[0]["Key"] for number in (1, 2, 3)]
    assert found == ["k0", "k1", "k2"]

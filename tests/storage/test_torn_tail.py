"""What a power cut leaves at the end of a store's log: cut off after the last durable mutation, refused before it."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from dvid_framework.errors import CorruptValue
from dvid_framework.storage.base import StoreEngine
from dvid_framework.storage.engines import StoreConfig, embedded_engines
from dvid_framework.storage.stores import Stores
from dvid_framework.storage.write_ahead_log import intact_bytes
from dvid_framework.testing.store_contract import batch_of

_DURABLE, _ALL = 20, 40
_POINTS = int(os.environ.get("DVID_TORN_POINTS", "50"))


@dataclass
class Crashed:
    """A data folder as the death of its process leaves it.

    Attributes:
        engine: what its store was made with.
        folder: the data folder.
        durable_bytes: how long the log was when the last durable mutation was synced.
        ends: how long the log was after each mutation.
    """

    engine: StoreEngine
    folder: Path
    durable_bytes: int
    ends: list[int]

    def copy(self, folder: Path) -> Path:
        """Copy the folder; returns the log file of the copy."""
        shutil.copytree(self.folder, folder)
        return next(path for path in (folder / "default").glob("*.log") if path.stat().st_size)


def _stores(engine: StoreEngine, folder: Path) -> Stores:
    return Stores({"default": StoreConfig("", folder / "default")}, {engine.name: engine})


@pytest.fixture(params=embedded_engines(), ids=lambda kind: kind.name)
def crashed(request: pytest.FixtureRequest, tmp_path: Path) -> Crashed:
    engine = request.param()
    live, dead = tmp_path / "live", tmp_path / "dead"
    stores = _stores(engine, live)
    log, ends = stores.metadata, list[int]()
    for number in range(1, _ALL + 1):
        value = random.Random(number).randbytes(100 if number % 5 else 40_000)
        log.commit(batch_of([(b"\x01%03d" % number, value), (b"\x01again", b"%d" % number)]), b"record")
        ends.append(max(path.stat().st_size for path in (live / "default").glob("*.log")))
        if number == _DURABLE:
            log.make_durable(number)
            log._write_mark(number)
            mark = (live / "default.mark").read_bytes()
    shutil.copytree(live, dead)
    (dead / "default.mark").write_bytes(mark)
    stores.close()
    return Crashed(engine, dead, ends[_DURABLE - 1], ends)


def _is_a_prefix(engine: StoreEngine, folder: Path, at_least: int) -> int:
    """Open a folder; what is there must be all of the first n mutations. Returns n."""
    stores = _stores(engine, folder)
    log = stores.metadata
    written = log.written
    assert written >= at_least
    expected = {b"\x01%03d" % number for number in range(1, written + 1)} | {b"\x01again"}
    assert set(log.store.scan_keys(b"\x01", b"\x02")) == expected
    assert log.store.get(b"\x01again") == b"%d" % written
    assert len(log.read(0)) == written
    log.commit(batch_of([(b"\x01new", b"")]), b"record")
    stores.close()
    again = _stores(engine, folder)
    assert again.metadata.written == written + 1
    again.close()
    return written


def _truncate(log: Path, at: int) -> None:
    os.truncate(log, at)


def _zeros(log: Path, at: int) -> None:
    size = log.stat().st_size
    os.truncate(log, at)
    os.truncate(log, size)


def _garbage(log: Path, at: int) -> None:
    size = log.stat().st_size
    os.truncate(log, at)
    with log.open("ab") as file:
        file.write(random.Random(at).randbytes(size - at))


def _hole(log: Path, at: int) -> None:
    """Zeros of a page or more, and what follows is there: LevelDB and RocksDB skip such a hole without a word."""
    size, end = log.stat().st_size, at + 32768
    with log.open("r+b") as file:
        file.seek(at)
        file.write(bytes(min(end, size) - at))


def _flip(log: Path, at: int) -> None:
    data = bytearray(log.read_bytes())
    data[at] ^= 0x10
    log.write_bytes(data)


def test_the_log_of_a_dead_process_opens_whole(crashed: Crashed) -> None:
    assert _is_a_prefix(crashed.engine, crashed.folder, _DURABLE) == _ALL


def test_intact_bytes_end_at_whole_batches(crashed: Crashed, tmp_path: Path) -> None:
    data = crashed.copy(tmp_path / "copy").read_bytes()
    assert intact_bytes(data) == len(data) == crashed.ends[-1]
    for end, following in zip(crashed.ends, crashed.ends[1:], strict=False):
        assert intact_bytes(data[:end]) == end
        assert intact_bytes(data[: (end + following) // 2]) == end
    assert intact_bytes(b"") == 0


@pytest.mark.parametrize("tear", [_truncate, _zeros, _garbage, _hole, _flip])
def test_damage_after_the_last_durable_mutation_is_cut_off(
    crashed: Crashed, tmp_path: Path, tear: Callable[[Path, int], None]
) -> None:
    chance = random.Random(7)
    for point in range(_POINTS):
        at = chance.randrange(crashed.durable_bytes, crashed.ends[-1])
        folder = tmp_path / f"torn-{point}"
        tear(crashed.copy(folder), at)
        found = _is_a_prefix(crashed.engine, folder, _DURABLE)
        assert crashed.ends[found - 1] <= at, "nothing after the damage may be taken"
        shutil.rmtree(folder)


@pytest.mark.parametrize("tear", [_truncate, _zeros, _garbage, _hole, _flip])
def test_damage_before_the_last_durable_mutation_is_refused(
    crashed: Crashed, tmp_path: Path, tear: Callable[[Path, int], None]
) -> None:
    chance = random.Random(8)
    for point in range(_POINTS // 2):
        folder = tmp_path / f"torn-{point}"
        tear(crashed.copy(folder), chance.randrange(crashed.durable_bytes))
        for _ in range(2):
            with pytest.raises(CorruptValue):
                _stores(crashed.engine, folder)
        shutil.rmtree(folder)

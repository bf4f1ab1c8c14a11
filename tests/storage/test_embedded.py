"""What is special about the stores of the local disk: one owner, and no damage goes unseen."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from dvid_framework.errors import StorageError, StoreFull, StoreInUse
from dvid_framework.storage.base import StoreEngine
from dvid_framework.storage.batch import Batch
from dvid_framework.storage.engines import embedded_engines
from dvid_framework.storage.log import CommitLog
from dvid_framework.testing.store_contract import batch_of

_TABLES = {".ldb", ".sst"}
_OPEN_ELSEWHERE = """
import sys
from pathlib import Path
from dvid_framework.errors import StoreInUse
from dvid_framework.storage.engines import embedded_engines
engine = next(kind for kind in embedded_engines() if kind.name == sys.argv[2])()
try:
    engine.open(Path(sys.argv[1]), {})
except StoreInUse:
    sys.exit(7)
"""


@pytest.fixture(params=embedded_engines(), ids=lambda kind: kind.name)
def engine(request: pytest.FixtureRequest) -> StoreEngine:
    return request.param()


def _open_elsewhere(engine: StoreEngine, path: Path) -> int:
    return subprocess.run([sys.executable, "-c", _OPEN_ELSEWHERE, str(path), engine.name], check=False).returncode


def test_a_second_open_is_refused_in_the_same_process_and_the_first_goes_on(
    engine: StoreEngine, tmp_path: Path
) -> None:
    store = engine.open(tmp_path / "s", {})
    for _ in range(3):
        with pytest.raises(StoreInUse):
            engine.open(tmp_path / "s", {})
    store.write(batch_of([(b"a", b"1")]))
    assert store.get(b"a") == b"1"
    assert _open_elsewhere(engine, tmp_path / "s") == 7, "the refused opens must not have dropped the lock"
    store.close()


def test_another_process_is_refused_until_the_store_is_closed(engine: StoreEngine, tmp_path: Path) -> None:
    store = engine.open(tmp_path / "s", {})
    assert _open_elsewhere(engine, tmp_path / "s") == 7
    store.close()
    assert _open_elsewhere(engine, tmp_path / "s") == 0


def test_the_lock_is_given_back_when_opening_fails(engine: StoreEngine, tmp_path: Path) -> None:
    store = engine.open(tmp_path / "s", {})
    store.close()
    (tmp_path / "s" / "CURRENT").write_text("MANIFEST-nothing\n")
    for _ in range(2):
        with pytest.raises(StorageError) as caught:
            engine.open(tmp_path / "s", {})
        assert not isinstance(caught.value, StoreInUse)


def test_a_folder_that_cannot_be_made_is_a_storage_error(engine: StoreEngine, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="file"):
        engine.open(tmp_path / "file" / "s", {})


def _open(engine: StoreEngine, path: Path) -> CommitLog:
    store = engine.open(path, {"write_buffer_bytes": 1 << 16})
    try:
        return CommitLog(store, path.with_suffix(".mark"))
    except StorageError:
        store.close()
        raise


def _close(log: CommitLog) -> None:
    log.close()
    log.store.close()


def _copy_live(live: Path, copy: Path) -> None:
    """Copy a store that is open, at a moment when nothing goes on behind."""
    before: list[tuple[str, int]] = []
    while before != (now := sorted((str(path), path.stat().st_size) for path in live.rglob("*"))) or not before:
        before = now
        shutil.copytree(live, copy, dirs_exist_ok=True)


def _make(engine: StoreEngine, path: Path) -> dict[bytes, bytes]:
    """Make a store with tables and a log, as the death of its process leaves it, and return what is in it."""
    chance, live = random.Random(5), path.parent.with_name(f"{path.parent.name}-live") / path.name
    entries = {b"\x01key%05d" % number: chance.randbytes(200) for number in range(350)}
    pairs = list(entries.items())
    for part in (pairs[:300], pairs[300:]):  # opened anew, the first part is in tables and the second in the log
        log = _open(engine, live)
        for key, value in part:
            log.commit(batch_of([(key, value)]), b"record")
        log.make_durable(log.written)
        log._write_mark(log.synced)
        if len(part) == 50:
            _copy_live(live.parent, path.parent)
        _close(log)
    return entries


def _look(engine: StoreEngine, path: Path, entries: dict[bytes, bytes]) -> str:
    """Read everything by key and by scan; returns `refused`, `error` or `whole`, and fails on silent damage."""
    try:
        log = _open(engine, path)
    except StorageError:
        return "refused"
    try:
        assert dict(log.store.scan(b"\x01", b"\x02")) == entries, "damage shows other data without an error"
        assert log.store.multi_get(list(entries)) == list(entries.values())
        assert len(log.read(0)) == len(entries)
    except StorageError:
        return "error"
    finally:
        _close(log)
    return "whole"


def test_a_flipped_byte_in_any_file_is_never_a_silently_missing_value(engine: StoreEngine, tmp_path: Path) -> None:
    chance, pristine = random.Random(11), tmp_path / "pristine" / "s"
    entries = _make(engine, pristine)
    files = [path for path in sorted(pristine.iterdir()) if path.stat().st_size and not path.name.startswith("LOG")]
    assert {path.suffix for path in files} >= {".log", ""}
    assert {path.suffix for path in files} & _TABLES
    outcomes = []
    for number in range(int(os.environ.get("DVID_FLIP_COUNT", "40"))):
        source = files[number % len(files)]
        copy = tmp_path / f"flip-{number}"
        shutil.copytree(pristine.parent, copy)
        data = bytearray(source.read_bytes())
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        (copy / "s" / source.name).write_bytes(data)
        outcomes.append(_look(engine, copy / "s", entries))
        shutil.rmtree(copy)
    assert "refused" in outcomes
    assert "error" in outcomes


def test_a_log_cut_off_at_any_place_is_noticed(engine: StoreEngine, tmp_path: Path) -> None:
    pristine = tmp_path / "pristine" / "s"
    entries = _make(engine, pristine)
    size = max(path.stat().st_size for path in pristine.glob("*.log"))
    for number, cut in enumerate(range(0, size, size // 10)):
        copy = tmp_path / f"cut-{number}"
        shutil.copytree(pristine.parent, copy)
        log = max((copy / "s").glob("*.log"), key=lambda path: path.stat().st_size)
        log.write_bytes(log.read_bytes()[:cut])
        assert _look(engine, copy / "s", entries) == "refused"


def _oldest_table(path: Path) -> Path:
    return min(file for file in path.iterdir() if file.suffix in _TABLES)


def test_a_truncated_table_is_noticed(engine: StoreEngine, tmp_path: Path) -> None:
    entries = _make(engine, tmp_path / "s")
    table = _oldest_table(tmp_path / "s")
    table.write_bytes(table.read_bytes()[:-100])
    assert _look(engine, tmp_path / "s", entries) != "whole"


def test_a_missing_table_is_noticed(engine: StoreEngine, tmp_path: Path) -> None:
    entries = _make(engine, tmp_path / "s")
    _oldest_table(tmp_path / "s").unlink()
    assert _look(engine, tmp_path / "s", entries) != "whole"


def test_repair_brings_a_store_without_manifest_back(engine: StoreEngine, tmp_path: Path) -> None:
    entries = _make(engine, tmp_path / "s")
    for manifest in (tmp_path / "s").glob("MANIFEST-*"):
        manifest.unlink()
    assert _look(engine, tmp_path / "s", entries) == "refused"
    said = engine.repair(tmp_path / "s", {})
    assert "rebuilt" in said[0]
    assert _look(engine, tmp_path / "s", entries) == "whole"


def test_a_store_that_is_open_is_not_repaired(engine: StoreEngine, tmp_path: Path) -> None:
    store = engine.open(tmp_path / "s", {})
    with pytest.raises(StoreInUse):
        engine.repair(tmp_path / "s", {})
    store.close()


def test_check_reads_everything(engine: StoreEngine, tmp_path: Path) -> None:
    _make(engine, tmp_path / "s")
    assert engine.check(tmp_path / "s", {}) == []


@pytest.mark.parametrize(("number", "kind"), [(28, StoreFull), (5, StorageError)])
def test_a_failed_sync_is_not_forgotten(
    engine: StoreEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, kind: type[StorageError]
) -> None:
    store = engine.open(tmp_path / "s", {})
    store.write(batch_of([(b"a", b"1")]))

    def fail(_: int) -> None:
        raise OSError(number, "the disk fails")

    monkeypatch.setattr("os.fdatasync", fail)
    with pytest.raises(kind):
        store.sync()
    monkeypatch.undo()
    with pytest.raises(StorageError, match="restart" if number == 5 else "opened again"):
        store.sync()
    store.heal()
    if number == 5:
        with pytest.raises(StorageError, match="restart"):
            store.write(batch_of([(b"b", b"2")]))
    else:  # all of the log was written anew, as a table, and synced
        store.sync()
        store.write(batch_of([(b"b", b"2")]))
        assert dict(store.scan(b"", b"z")) == {b"a": b"1", b"b": b"2"}
    store.close()


def test_what_is_synced_is_in_synced_logs_alone(
    engine: StoreEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: dict[int, int] = {}
    sync = os.fdatasync

    def noted(file: int) -> None:
        sync(file)
        status = os.fstat(file)
        synced[status.st_ino] = status.st_size

    monkeypatch.setattr("os.fdatasync", noted)
    store = engine.open(tmp_path / "s", {"write_buffer_bytes": 1 << 16})
    logs = set()
    for number in range(60):  # each third is more than a log has
        store.write(batch_of([(b"%03d" % number, os.urandom(90_000 if number % 3 else 9_000))]))
        if number % 2:
            store.sync()
            for log in (tmp_path / "s").glob("*.log"):
                try:
                    status = log.stat()
                except FileNotFoundError:  # the engine had it all in a table, and removed it
                    continue
                logs.add(log.name)
                assert synced.get(status.st_ino, 0) == status.st_size
            assert store.landmark()
    assert len(logs) > 2
    store.close()


def test_a_log_that_could_not_be_synced_when_the_next_came_is_told(
    engine: StoreEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = engine.open(tmp_path / "s", {"write_buffer_bytes": 1 << 16})
    store.write(batch_of([(b"a", b"1")]))
    sync, failing = os.fdatasync, [True]

    def fail_once(file: int) -> None:
        if failing:
            failing.clear()
            raise OSError(5, "the disk fails")
        sync(file)

    monkeypatch.setattr("os.fdatasync", fail_once)
    number = 0
    while failing:  # until the database begins another log
        number += 1
        store.write(batch_of([(b"%03d" % number, os.urandom(90_000))]))
        assert number < 100
    with pytest.raises(StorageError, match="restart"):
        store.sync()
    store.close()


def test_a_batch_of_nothing_can_be_written_and_synced(engine: StoreEngine, tmp_path: Path) -> None:
    store = engine.open(tmp_path / "s", {})
    store.write(Batch())
    store.sync()
    store.close()

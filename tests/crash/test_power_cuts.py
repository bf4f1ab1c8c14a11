"""Power cuts: what was not synced is cut short, zeroed, garbage or has a hole, in every file that may be so.

No such damage refuses to open, and what was durable is there. Damage of what was durable is refused, or an error that
names the key; never a missing value. Each engine of the core that keeps data on the disk is tried.
"""

from __future__ import annotations

import os
import random
import shutil
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from dvid_framework.errors import DvidError, StorageError
from dvid_framework.plugins import Plugins
from dvid_framework.storage.base import Capability
from dvid_framework.storage.blobs import get_blob, put_blob
from dvid_framework.storage.log import CommitLog
from dvid_framework.storage.stores import StoreConfig, Stores
from dvid_framework.testing.store_contract import batch_of

POINTS = int(os.environ.get("DVID_POWER_CUTS", "50"))
FLIPS = int(os.environ.get("DVID_FLIPS", "60"))
SEED = int(os.environ.get("DVID_CUT_SEED", str(random.SystemRandom().randrange(1 << 32))))
_OPTIONS = {"write_buffer_bytes": 1 << 16}
_MOMENTS = 12

pytestmark = [pytest.mark.crash, pytest.mark.timeout(300 + POINTS + FLIPS)]
ENGINES = [
    name
    for name, engine in sorted(Plugins(discover=False).engines.items())
    if Capability.DURABLE in engine.capabilities and Capability.WRITABLE in engine.capabilities
]
Entries = dict[bytes, bytes]


def _open(engine: str, folder: Path) -> Stores:
    return Stores({"default": StoreConfig(engine, folder / "default", _OPTIONS)}, Plugins(discover=False).engines)


@dataclass
class Moment:
    """A data folder as it was at some moment, and what was known then.

    Attributes:
        files: its files by name.
        durable: number of the last mutation that was durable.
        lengths: how long each file was when that was so, and the engine had nothing to do.
    """

    files: dict[str, bytes]
    durable: int
    lengths: dict[str, int]


@dataclass
class History:
    """What was written, and moments of it.

    Attributes:
        states: all entries after each mutation.
        moments: in their order.
        blobs: references of blobs, and their bytes; written before the first moment.
    """

    states: list[Entries] = field(default_factory=lambda: [{}])
    moments: list[Moment] = field(default_factory=list)
    blobs: dict[str, bytes] = field(default_factory=dict)


def _lengths(folder: Path) -> dict[str, int]:
    return {str(path.relative_to(folder)): path.stat().st_size for path in folder.rglob("*") if path.is_file()}


def _files(folder: Path) -> dict[str, bytes]:
    """Read a folder while the engine works on it: files are opened first, so that one that is removed is read whole."""
    while True:
        with ExitStack() as stack:
            try:
                paths = [path for path in sorted(folder.rglob("*")) if path.is_file()]
                opened = {str(path.relative_to(folder)): stack.enter_context(path.open("rb")) for path in paths}
            except FileNotFoundError:
                continue
            return {name: file.read() for name, file in opened.items()}


def _put(folder: Path, files: dict[str, bytes]) -> None:
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)


def _at_rest(folder: Path) -> dict[str, int]:
    """Wait until the engine has nothing to do in the background; returns the length of each file."""
    lengths: dict[str, int] = {}
    while True:
        before = lengths
        try:
            lengths = _lengths(folder)
        except FileNotFoundError:
            continue
        if lengths == before:
            return lengths
        time.sleep(0.03)


def _write(log: CommitLog, history: History, chance: random.Random) -> None:
    number = len(history.states)
    key = b"\x01%03d" % chance.randrange(60)
    value = chance.randbytes(chance.choice([30, 300, 5000, 20_000])) if chance.random() < 0.9 else None
    log.commit(batch_of([(key, value), (b"\x01last", b"%d" % number)]), b"record %d" % number)
    state = {**history.states[-1], b"\x01last": b"%d" % number}
    if value is None:
        state.pop(key, None)
    else:
        state[key] = value
    history.states.append(state)


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def history(engine: str, tmp_path: Path) -> History:
    """Write, and copy the folder at moments when some of it is not durable yet."""
    print(f"DVID_CUT_SEED={SEED}")  # noqa: T201 - for whoever repeats a failure
    chance, live, history = random.Random(SEED), tmp_path / "live", History()
    stores = _open(engine, live)
    log = stores.metadata
    for number in range(5):
        blob = chance.randbytes(3000 * number)
        history.blobs[put_blob(log.store, blob)] = blob
    for _ in range(_MOMENTS):
        for _ in range(chance.randrange(3, 25)):
            _write(log, history, chance)
        log.make_durable(log.written)
        lengths = _at_rest(live)
        durable, mark = log.synced, f"{log.synced:020d} {log.store.landmark()}\n".encode()
        for _ in range(chance.randrange(1, 8)):
            _write(log, history, chance)
        if chance.random() < 0.4:
            _at_rest(live)
        files = {**_files(live), "default.mark": mark}  # the thread in the background may have been faster
        history.moments.append(Moment(files, durable, lengths))
    stores.close()
    return history


def _entries(log: CommitLog) -> Entries:
    return dict(log.store.scan(b"\x01", b"\x02"))


def _check_whole(stores: Stores, history: History, at_least: int) -> int:
    """All of the first n mutations are there and nothing else; returns n."""
    log = stores.metadata
    written = log.written
    assert written >= at_least, f"mutation {at_least} was durable, and the store ends at {written}"
    assert _entries(log) == history.states[written]
    assert [number for number, _ in log.read(0)] == list(range(1, written + 1))
    for reference, blob in history.blobs.items():
        assert bytes(get_blob(log.store, reference)) == blob
    return written


# -- what a power cut does to a file from some byte on


def _cut(data: bytes, at: int, chance: random.Random) -> bytes:
    del chance
    return data[:at]


def _zeroed(data: bytes, at: int, chance: random.Random) -> bytes:
    del chance
    return data[:at] + bytes(len(data) - at)


def _garbage(data: bytes, at: int, chance: random.Random) -> bytes:
    return data[:at] + chance.randbytes(len(data) - at)


def _hole(data: bytes, at: int, chance: random.Random) -> bytes:
    end = chance.randrange(at, len(data)) + 1
    return data[:at] + bytes(end - at) + data[end:]


def _padded(data: bytes, at: int, chance: random.Random) -> bytes:
    return data[:at] + bytes(len(data) - at + chance.randrange(70_000))


DAMAGES: list[Callable[[bytes, int, random.Random], bytes]] = [_cut, _zeroed, _garbage, _hole, _padded]


Files = dict[str, bytes]
_UNIMPORTANT = ("LOG", "OWNER", "OPTIONS", "IDENTITY")  # nobody needs them to read the store


def _tear_log_and_manifest(moment: Moment, files: Files, chance: random.Random) -> list[str]:
    """Damage what was not synced: the end of the present log; and a table with the end of the manifest.

    LevelDB and RocksDB sync a table before they name it in the manifest, and that before they remove the log; we sync a
    log before anything is written to the next one.
    """

    def damage(name: str, durable: int) -> str:
        data, how = files[name], chance.choice(DAMAGES)
        at = chance.randrange(durable, len(data))
        files[name] = how(data, at, chance)
        return f"{name} of {len(data)} bytes, {durable} durable: {how.__name__} at {at}"

    logs, done = sorted(name for name in files if name.endswith(".log") and "/" in name), list[str]()
    if (durable := moment.lengths.get(logs[-1], 0)) < len(files[logs[-1]]) and chance.random() < 0.9:
        done.append(damage(logs[-1], durable))
    manifest = next(name for name in files if "/MANIFEST-" in name)
    if len(logs) > 1:  # a table is being made of the first one
        named = moment.lengths[manifest]
        if named < len(files[manifest]) and chance.random() < 0.7:
            done.append(damage(manifest, named))
        if len(files[manifest]) == named:
            fresh = [
                name
                for name, data in files.items()
                if name.endswith((".ldb", ".sst")) and name not in moment.lengths and data
            ]
            done += [damage(name, 0) for name in fresh]
    return done


TEARS = {"leveldb": _tear_log_and_manifest, "rocksdb": _tear_log_and_manifest}


def _tear(engine: str, moment: Moment, folder: Path, chance: random.Random) -> str:
    """Make the folder that a power cut leaves; returns what was done."""
    files = dict(moment.files)
    tear = TEARS.get(engine)  # of another engine only the copies are opened
    done = tear(moment, files, chance) if tear is not None else []
    if chance.random() < 0.3:
        mark = files["default.mark"]
        files["default.mark"] = chance.choice([b"", bytes(100), chance.randbytes(30), mark[:7]])
        done.append("the mark")
    _put(folder, files)
    return "; ".join(done)


def test_what_was_not_durable_neither_refuses_to_open_nor_takes_the_durable_along(
    engine: str, history: History, tmp_path: Path
) -> None:
    chance = random.Random(SEED + 1)
    for point in range(POINTS):
        folder = tmp_path / f"cut-{point}"
        moment = history.moments[point % len(history.moments)]
        about = f"seed {SEED}, point {point}: {_tear(engine, moment, folder, chance)}"
        try:
            stores = _open(engine, folder)
        except DvidError as error:
            raise AssertionError(f"{about}: {error.message}") from error
        try:
            written = _check_whole(stores, history, moment.durable)
            stores.metadata.commit(batch_of([(b"\x01new", b"")]), b"record")
        except (AssertionError, StorageError) as error:
            raise AssertionError(f"{about}: {error}") from error
        finally:
            stores.close()
        again = _open(engine, folder)
        assert again.metadata.written == written + 1, about
        again.close()
        shutil.rmtree(folder)


def _damage_durable(folder: Path, chance: random.Random) -> str:
    """Damage one file of a folder whose store was closed well."""
    files = [
        path
        for path in sorted((folder / "default").rglob("*"))
        if path.is_file() and path.stat().st_size and not path.name.startswith(_UNIMPORTANT)
    ]
    path = chance.choice(files)
    data = bytearray(path.read_bytes())
    kind = chance.choice(["flip", "flip", "flip", "cut", "zero", "gone"])
    at = chance.randrange(len(data))
    if kind == "flip":
        data[at] ^= 1 << chance.randrange(8)
    elif kind == "zero":
        data[at:] = bytes(len(data) - at)
    path.write_bytes(data[:at] if kind == "cut" else data)
    if kind == "gone":
        path.unlink()
    return f"{path.name}, {len(data)} bytes: {kind} at {at}"


def _look(engine: str, folder: Path, history: History) -> str:
    """Read everything; returns whether it was refused, an error, or whole, and fails on silent damage."""
    try:
        stores = _open(engine, folder)
    except StorageError:
        return "refused"
    try:
        _check_whole(stores, history, len(history.states) - 1)
        keys = sorted(history.states[-1])
        assert stores.metadata.store.multi_get(keys) == [history.states[-1][key] for key in keys]
    except StorageError:
        return "error"
    finally:
        stores.close()
    return "whole"


def test_damage_of_what_was_durable_is_never_silent(engine: str, history: History, tmp_path: Path) -> None:
    chance, outcomes = random.Random(SEED + 2), list[str]()
    for number in range(FLIPS):
        folder = tmp_path / f"flip-{number}"
        shutil.copytree(tmp_path / "live", folder)
        about = f"seed {SEED}, number {number}: {_damage_durable(folder, chance)}"
        try:
            outcomes.append(_look(engine, folder, history))
        except AssertionError as error:
            raise AssertionError(f"{about}: silent damage: {str(error)[:300]}") from error
        shutil.rmtree(folder)
    assert outcomes.count("whole") < FLIPS // 2, "the damage is hardly seen"


def test_every_kind_of_file_is_there_to_be_damaged(engine: str, history: History, tmp_path: Path) -> None:
    names = {path.suffix or path.name.partition("-")[0] for path in (tmp_path / "live" / "default").iterdir()}
    if engine in TEARS:
        assert names >= {".log", "MANIFEST", "CURRENT"}
        assert names & {".ldb", ".sst"}
    assert (tmp_path / "live" / "default.mark").exists()
    assert history.blobs

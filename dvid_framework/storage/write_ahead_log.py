"""The write-ahead logs and manifests of LevelDB and RocksDB, which have one form: what a power cut tore is cut off.

Both skip a hole of zeros in silence, and a log that ends early; other damage they refuse, when they are told to be
strict. So the logs are judged here before they are opened (format: LevelDB's doc/log_format.md): what is damaged
*after* the last mutation known to be durable is cut off, and kept beside; damage before it is left alone, and the
store stays closed.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import google_crc32c
import structlog

from dvid_framework.errors import CorruptValue

__all__ = ["check_current", "check_landmark", "cut_torn_tail", "intact_bytes", "need_intact", "sync_manifest"]

_BLOCK = 32768
_HEADER = 7
_MASK_DELTA = 0xA282EAD8
_RESTORE = "restore a copy, or remove the mark beside the store to accept the loss"
_log = structlog.get_logger("dvid.storage")


def _crc_fits(stored: int, content: bytes) -> bool:
    crc = int(google_crc32c.value(content))
    return ((((crc >> 15) | (crc << 17)) & 0xFFFFFFFF) + _MASK_DELTA) & 0xFFFFFFFF == stored


def intact_bytes(log: bytes) -> int:
    """Return how many bytes from the start of a log file hold only whole, undamaged batches."""
    at = whole = 0
    while at + _HEADER <= len(log):
        left = _BLOCK - at % _BLOCK
        if left < _HEADER:
            at += left  # the filling at the end of a block
            continue
        length = int.from_bytes(log[at + 4 : at + 6], "little")
        kind = log[at + 6]
        end = at + _HEADER + length
        if length + _HEADER > left or end > len(log) or not 1 <= kind <= 4:
            break
        if not _crc_fits(int.from_bytes(log[at : at + 4], "little"), log[at + 6 : end]):
            break
        at = end
        if kind in (1, 4):  # a batch in one piece, or its last piece
            whole = at
    return whole


def _manifest(folder: Path) -> Path | None:
    """Return the file that tells which tables there are."""
    try:
        name = (folder / "CURRENT").read_text().strip()
    except (OSError, UnicodeDecodeError):
        return None
    return folder / name if name.startswith("MANIFEST-") and "/" not in name else None


def sync_manifest(folder: Path, known: str) -> str:
    """Return name and length of the manifest, of which all is durable; `known` is what was told last."""
    manifest = _manifest(folder)
    if manifest is None:
        return known
    file = os.open(manifest, os.O_RDONLY)
    try:
        told = f"{manifest.name}:{os.fstat(file).st_size}"
        if told != known:
            os.fdatasync(file)
    finally:
        os.close(file)
    return told


def check_current(folder: Path) -> None:
    """Refuse a folder with data that lacks the file CURRENT: an empty store would begin there.

    Raises:
        CorruptValue: so it is.
    """
    if (folder / "CURRENT").exists() or not folder.exists():
        return
    if any(file.suffix in (".ldb", ".sst", ".log") and file.stat().st_size for file in folder.iterdir()):
        raise CorruptValue(f"{folder / 'CURRENT'} is gone: restore a copy, or run `dvid repair`")


def check_landmark(folder: Path, landmark: str) -> None:
    """Refuse a store whose files are shorter than they were when all of that was durable.

    A manifest that ends early is taken for a whole one, and removes the tables that it does not name; and a log
    that is gone for one that it has written as a table.

    Args:
        folder: the folder of the store.
        landmark: name and length of the manifest, and of the logs that belonged to it then.

    Raises:
        CorruptValue: a file is shorter, older or gone.
    """
    marked = {
        name: int(size) for name, _, size in (part.rpartition(":") for part in landmark.split()) if size.isdigit()
    }
    manifest = _manifest(folder)
    if not marked or manifest is None:
        return
    name = next((name for name in marked if name.startswith("MANIFEST-")), "")
    if not name or not manifest.exists():
        return  # the database itself says so
    if manifest.name < name or (manifest.name == name and manifest.stat().st_size < marked[name]):
        raise CorruptValue(f"{folder / manifest.name} is shorter or older than it was: {_RESTORE}")
    if manifest.name == name and intact_bytes(manifest.read_bytes()[: marked[name]]) < marked[name]:
        raise CorruptValue(f"{folder / manifest.name} is damaged: {_RESTORE}")
    if manifest.name != name or manifest.stat().st_size != marked[name]:
        return  # it has gone on since, and may have written logs as tables
    for log, size in marked.items():
        file = folder / log
        if log != name and (not file.exists() or file.stat().st_size < size):
            raise CorruptValue(f"{file} is shorter than it was, or gone: {_RESTORE}")


def need_intact(folder: Path) -> None:
    """Refuse a store whose logs are damaged, before it is opened.

    Raises:
        CorruptValue: a log is not whole; the message names it.
    """
    for log in sorted(folder.glob("*.log")):
        content = log.read_bytes()
        intact = intact_bytes(content)
        if intact < len(content):
            raise CorruptValue(f"the log {log.name} of the store {folder} is damaged from byte {intact} on")


def _opens_with(folder: Path, cuts: dict[str, int], last_number: Callable[[Path], int]) -> int:
    """Return the last mutation of a copy of the store with its logs cut; tables are linked and not copied."""
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".cut-") as scratch:
        copy = Path(scratch, "store")
        copy.mkdir()
        for file in folder.iterdir():
            if file.suffix in (".ldb", ".sst"):
                os.link(file, copy / file.name)
            elif file.name not in ("LOCK", "OWNER", "LOG", "LOG.old"):
                shutil.copyfile(file, copy / file.name)
        for name, size in cuts.items():
            os.truncate(copy / name, size)
        return last_number(copy)


def cut_torn_tail(folder: Path, durable: int, last_number: Callable[[Path], int]) -> bool:
    """Cut off what is damaged at the end of the logs, if nothing durable is lost by it.

    Args:
        folder: the folder of the store, which nobody has open.
        durable: number of the last mutation that is known to have been durable.
        last_number: opens a copy of the store and returns the number of its last mutation; raises if it is damaged.

    Returns:
        Whether something was cut. False: there is no damage of this kind, or cutting would lose durable mutations.
    """
    cuts = {}
    manifest = _manifest(folder)
    judged = sorted(folder.glob("*.log")) + ([manifest] if manifest is not None and manifest.exists() else [])
    for log in judged:
        content = log.read_bytes()
        intact = intact_bytes(content)
        if intact < len(content):
            cuts[log.name] = intact
    try:
        if not cuts or _opens_with(folder, cuts, last_number) < durable:
            return False
    except CorruptValue:
        return False
    for name, size in cuts.items():
        log = folder / name
        with (folder.parent / f"{folder.name}-{name}.damaged").open("wb") as kept:
            kept.write(log.read_bytes()[size:])
        os.truncate(log, size)
        _log.warning("cut a torn tail off the store's log", log=name, kept_bytes=size, durable_mutation=durable)
    return True

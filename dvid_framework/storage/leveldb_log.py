"""The write-ahead log of a LevelDB, read to cut off a tail that a power cut tore.

LevelDB with `paranoid_checks` refuses a log with a torn tail, and without them skips damage in silence. So the log is
judged here (format: LevelDB's doc/log_format.md): what is damaged *after* the last mutation known to be durable is cut
off, and kept beside; damage before it is left alone, and the store stays closed.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import google_crc32c
import structlog

__all__ = ["cut_torn_tail", "intact_bytes"]

_BLOCK = 32768
_HEADER = 7
_MASK_DELTA = 0xA282EAD8
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
        folder: the folder of the LevelDB, which nobody has open.
        durable: number of the last mutation that is known to have been durable.
        last_number: opens a copy of the store and returns the number of its last mutation; raises if it is damaged.

    Returns:
        Whether something was cut. False: there is no damage of this kind, or cutting would lose durable mutations.
    """
    cuts = {}
    for log in sorted(folder.glob("*.log")):
        content = log.read_bytes()
        intact = intact_bytes(content)
        if intact < len(content):
            cuts[log.name] = intact
    if not cuts or _opens_with(folder, cuts, last_number) < durable:
        return False
    for name, size in cuts.items():
        log = folder / name
        with (folder.parent / f"{folder.name}-{name}.damaged").open("wb") as kept:
            kept.write(log.read_bytes()[size:])
        os.truncate(log, size)
        _log.warning("cut a torn tail off the store's log", log=name, kept_bytes=size, durable_mutation=durable)
    return True

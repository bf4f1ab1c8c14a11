"""A LevelDB or RocksDB that can be closed and opened again among its users.

A write that fails midway leaves half a batch in the log, and what LevelDB writes behind it would be lost at the next
start; RocksDB writes no more, nor does either after a failed compaction. All is mended by a new start of the database
alone: everybody who reads is waited for, the torn end of the log is cut off, and the database is opened again, which
writes its log anew as a table.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dvid_framework.errors import StorageError, StoreReopening
from dvid_framework.storage.write_ahead_log import intact_bytes

__all__ = ["Database", "can_take", "is_full", "log_bytes", "newest_log"]

_FULL = ("No space left", "Disk quota exceeded", "File too large")

_POLITE_SECONDS = 1.0  # how long users are waited for while new ones come
_MOST_SECONDS = 5.0  # and how long while new ones are told to come again


def is_full(error: str) -> bool:
    """Tell whether an error of a database says that there is no room on the device."""
    return any(words in error for words in _FULL)


def newest_log(folder: Path) -> Path | None:
    """Return the log file that is written to."""
    return max(folder.glob("*.log"), key=lambda path: int(path.stem), default=None)


def log_bytes(folder: Path) -> int:
    """Return how many bytes the logs have: as much room is needed to write them anew as tables."""
    total = 0
    for log in folder.glob("*.log"):
        try:
            total += log.stat().st_size
        except FileNotFoundError:
            continue  # its table is complete
    return total


def can_take(folder: Path, count: int) -> bool:
    """Tell whether so many bytes can be written, by trying it: quotas are not seen in what the file system says."""
    probe = folder / "ROOM"
    try:
        file = os.open(probe, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            os.posix_fallocate(file, 0, count)
        finally:
            os.close(file)
            probe.unlink()
    except OSError:
        return False
    return True


class Database:
    """The driver's database, and how many use it now.

    Args:
        path: the folder.
        open_database: opens it.
    """

    def __init__(self, path: Path, open_database: Callable[[], Any]) -> None:
        self._path = path
        self._open_database = open_database
        self._database: Any = open_database()
        self._lock = threading.RLock()
        self._changed = threading.Condition(self._lock)
        self._users = 0
        self._refusing = False
        self._closed = False
        self._before = 0

    def enter(self) -> Any:
        """Return the driver's database, which stays open until `leave`.

        Raises:
            StorageError: it is closed for good.
            StoreReopening: it is being opened again.
        """
        with self._lock:
            if self._closed:
                raise StorageError("the store is closed")
            if self._refusing:
                raise StoreReopening("the store is being opened again after the disk was full; try again")
            self._users += 1
            return self._database

    def leave(self) -> None:
        """End what `enter` began."""
        with self._lock:
            self._users -= 1
            if not self._users:
                self._changed.notify_all()

    @contextmanager
    def use(self) -> Iterator[Any]:
        """Return a context that gives the driver's database."""
        database = self.enter()
        try:
            yield database
        finally:
            self.leave()

    def _wait_for_users(self) -> bool:
        """Wait until nobody uses the database and nobody will; False if somebody does for too long."""
        with self._changed:
            if not self._changed.wait_for(lambda: not self._users, _POLITE_SECONDS):
                self._refusing = True
                if not self._changed.wait_for(lambda: not self._users, _MOST_SECONDS):
                    self._refusing = False
                    return False
            self._refusing = True
            return True

    def reopen(self, count: Callable[[Any], int]) -> bool:
        """Close the database, cut the torn end off its log, and open it again; False if it is in use for too long.

        Args:
            count: tells something of a database that must be the same afterwards.

        Raises:
            StorageError: it does not open, or tells otherwise. It then stays closed for all until this succeeds.
        """
        if not self._wait_for_users():
            return False
        if self._database is not None:
            self._before = count(self._database)
            self._database.close()
            self._database = None
            log = newest_log(self._path)
            if log is not None:
                os.truncate(log, intact_bytes(log.read_bytes()))
        database = self._open_database()
        if count(database) != self._before:
            database.close()
            raise StorageError("the store has other mutations after it was opened again; restart the server")
        with self._changed:
            self._database, self._refusing = database, False
        return True

    def close(self) -> None:
        """Close it for good; closing twice is harmless."""
        with self._changed:
            self._closed = True
        if self._database is not None:
            self._database.close()

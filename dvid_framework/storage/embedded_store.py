"""What open stores of the local disk share: they sync their logs themselves, and go on after the disk was full."""

from __future__ import annotations

import asyncio
import errno
import os
import threading
import time
from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar, NoReturn

import structlog

from dvid_framework.errors import StorageError, StoreFull, StoreReopening
from dvid_framework.storage.base import Capability, Reader, Store
from dvid_framework.storage.batch import Batch
from dvid_framework.storage.embedded_database import Database, can_take, log_bytes, newest_log
from dvid_framework.storage.log import last_mutation
from dvid_framework.storage.write_ahead_log import sync_manifest

__all__ = ["EmbeddedStore"]

_log = structlog.get_logger("dvid.storage")
_FULL_NUMBERS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_SPARE_BYTES = 8 << 20  # for the manifest, and what else is written beside it
_PATIENCE = 2.0  # seconds that a write waits for the store to be opened again
_FIRST_PAUSE, _LONGEST_PAUSE = 0.4, 30.0  # seconds between two tries to open a store again


class EmbeddedStore(Store):
    """An open store of the local disk.

    A write for which there is hardly room is refused before it begins. One that fails all the same, as others may fill
    the disk too, ends all writes until the database was opened again (`heal`); reads go on meanwhile.
    """

    capabilities = (
        Capability.ORDERED | Capability.ATOMIC_BATCHES | Capability.SNAPSHOTS | Capability.DURABLE | Capability.WRITABLE
    )

    title: ClassVar[str]

    def __init__(self, database: Database, path: Path, lock_file: int, buffer_bytes: int) -> None:
        self._database = database
        self._path = path
        self._folder = str(path)
        self._lock_file: int | None = lock_file
        self._buffer_bytes = buffer_bytes
        self._closing = threading.Lock()
        self._writing = threading.Lock()
        self._failure: str | None = None
        self._curable = False
        self._present_log: int | None = None  # an open file
        self._present_name = ""
        self._log_guard = threading.Lock()  # to open or close it, and to have a file of one's own of it
        self._synced_logs: dict[str, int] = {}
        self._synced_manifest = ""
        self._over_quota = False  # there is room by what the file system says, and yet nothing can be written
        self._well = threading.Condition()
        self._healed = self._next_try = 0.0
        self._pause = _FIRST_PAUSE

    # -- what kinds differ in

    @abstractmethod
    def reader(self, source: Any) -> Reader:
        """Return a reader of the driver's open database."""

    @abstractmethod
    def prepare(self, source: Any, batch: Batch) -> Callable[[], None]:
        """Return what writes a batch; nothing is written where a key or value is no bytes."""

    def renew(self, keep: bool) -> None:
        """Let go of what is kept of the present state: it has changed.

        Args:
            keep: whether anything of the state to come may be kept; not while the database shall be opened again.
        """

    # -- reading

    def get(self, key: bytes) -> bytes | None:
        with self._database.use() as source:
            return self.reader(source).get(key)

    def multi_get(self, keys: Sequence[bytes]) -> list[bytes | None]:
        with self._database.use() as source:
            return self.reader(source).multi_get(keys)

    def scan(self, start: bytes, stop: bytes, *, reverse: bool = False) -> Iterator[tuple[bytes, bytes]]:
        with self._database.use() as source:
            yield from self.reader(source).scan(start, stop, reverse=reverse)

    def scan_keys(self, start: bytes, stop: bytes, *, reverse: bool = False) -> Iterator[bytes]:
        with self._database.use() as source:
            yield from self.reader(source).scan_keys(start, stop, reverse=reverse)

    def last(self, start: bytes, stop: bytes) -> tuple[bytes, bytes] | None:
        with self._database.use() as source:
            return self.reader(source).last(start, stop)

    def find_each(self, ranges: Iterable[tuple[bytes, bytes]]) -> Iterator[tuple[list[bytes], bytes | None]]:
        with self._database.use() as source:
            yield from self.reader(source).find_each(ranges)

    # -- writing

    def write(self, batch: Batch) -> None:
        if self._failure is not None:
            self._wait_until_healed()
        with self._database.use() as source:
            write = self.prepare(source, batch)
            with self._writing:  # so that nothing is written behind half a batch
                self._check_health()
                self._check_room(batch.stored_bytes)
                before = self._length_of_present_log()
                try:
                    write()
                except StorageError as error:
                    self._fail(f"{self.title} failed writing: {error.message}", isinstance(error, StoreFull))
                    raise
                finally:
                    self.renew(self._failure is None)
                if self._length_of_present_log() == before:
                    self._follow_log()

    def _length_of_present_log(self) -> int:
        return 0 if self._present_log is None else os.fstat(self._present_log).st_size

    def _follow_log(self) -> None:
        """The database writes to another log: what is in the last one must not be lost where the new one is kept."""
        self._sync_present_log()
        newest = newest_log(self._path)
        if newest is not None:
            with self._log_guard:
                self._present_log, self._present_name = os.open(newest, os.O_RDONLY), newest.name

    def _sync_present_log(self) -> None:
        with self._log_guard:
            file, self._present_log = self._present_log, None
        if file is None:
            return
        try:
            os.fdatasync(file)
        except OSError as error:  # what was written is written: who needs it durable is told
            self._fail(f"syncing a log failed: {error}", error.errno in _FULL_NUMBERS)
        finally:
            os.close(file)

    def _wait_until_healed(self) -> None:
        """Wait a little where there is room again; never on an event loop, which others need to let the store go."""
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            if self._curable and self._has_room(0):
                with self._well:
                    self._well.wait_for(lambda: self._failure is None or self._over_quota, _PATIENCE)

    def _check_health(self) -> None:
        if self._failure is None:
            return
        if not self._curable:
            raise StorageError(f"{self._failure}; the store takes no writes until a restart")
        if self._has_room(0) and not self._over_quota:
            raise StoreReopening("the store is about to be opened again after the disk was full; try again")
        raise StoreFull(f"no space is left on the device; {self._needed_bytes(0) >> 20} MB free are needed")

    def _needed_bytes(self, count: int) -> int:
        return log_bytes(self._path) + 2 * count + _SPARE_BYTES

    def _has_room(self, count: int) -> bool:
        """Tell whether there is room for a batch, and for all logs to be written anew as tables."""
        files = os.statvfs(self._folder)
        free = files.f_bavail * files.f_frsize
        if free > 2 * self._buffer_bytes + 2 * count + _SPARE_BYTES:
            return True  # there are never more than two logs
        return free >= self._needed_bytes(count)

    def _check_room(self, count: int) -> None:
        if not self._has_room(count):
            needed = self._needed_bytes(count) >> 20
            raise StoreFull(f"no space is left on the device; {needed} MB free are needed")

    def _fail(self, failure: str, curable: bool) -> None:
        self._failure, self._curable = failure, curable
        _log.error("the store takes no writes", error=failure, until="there is space" if curable else "a restart")

    def sync(self) -> None:
        if self._failure is not None:  # the kernel tells of lost pages once, and a second try would succeed
            self._check_health()
        # Not an empty synced batch: that would sync the log file that LevelDB writes to, and a write just before may be
        # in the one that was just rotated out. We know the present one: those before it were synced when it came.
        with self._log_guard:
            file, name = None if self._present_log is None else os.dup(self._present_log), self._present_name
        if file is not None:
            self._synced_logs = {name: self._sync_and_close(name, file)}
        else:
            with self._database.use(), os.scandir(self._folder) as files:
                sizes = {file.name: self._sync_file(file) for file in files if file.name.endswith(".log")}
                self._synced_logs = {name: size for name, size in sizes.items() if size}
        if self._failure is not None:  # the log before it, perhaps
            self._check_health()

    def _sync_file(self, log: os.DirEntry[str]) -> int:
        """Sync a log; returns how long it was before, and 0 if there is none any more."""
        try:
            file = os.open(log.path, os.O_RDONLY)
        except FileNotFoundError:
            return 0  # its table is complete and synced, so it was removed
        return self._sync_and_close(log.name, file)

    def _sync_and_close(self, name: str, file: int) -> int:
        """Sync an open log; returns how long it was before."""
        try:
            size = os.fstat(file).st_size
            os.fdatasync(file)
        except OSError as error:
            self._fail_sync(name, error)
        finally:
            os.close(file)
        return size

    def _fail_sync(self, name: str, error: OSError) -> NoReturn:
        full = error.errno in _FULL_NUMBERS
        self._fail(f"syncing {name} failed: {error}", full)
        raise (StoreFull if full else StorageError)(f"syncing {name} failed: {error}") from error

    def landmark(self) -> str:
        with self._database.use():
            manifest = sync_manifest(self._path, self._synced_manifest)
            newest = newest_log(self._path)  # of an older one nobody knows here whether it is needed any more
            settled = sync_manifest(self._path, manifest) == manifest
        self._synced_manifest = manifest
        size = self._synced_logs.get(newest.name, 0) if newest is not None and settled else 0
        return f"{manifest} {newest.name}:{size}" if newest is not None and size else manifest

    def heal(self) -> None:
        """Open the database again once there is room, if a write or a sync found none."""
        now = time.monotonic()
        if self._failure is None or not self._curable or now < self._next_try:
            return
        self._pause = min(2 * self._pause, _LONGEST_PAUSE) if now - self._healed < _LONGEST_PAUSE else _FIRST_PAUSE
        self._next_try = now + self._pause
        self.renew(False)
        try:
            room = self._has_room(0)
            usable = room and can_take(self._path, self._needed_bytes(0))
            with self._well:
                self._over_quota = room and not usable
                self._well.notify_all()
            if not usable:
                self._next_try, self._pause = now, _FIRST_PAUSE
            elif self._database.reopen(lambda source: last_mutation(self.reader(source))):
                with self._well:
                    self._failure, self._healed = None, time.monotonic()
                    self._well.notify_all()
                self.renew(True)
                _log.info("the store takes writes again")
        except (StorageError, OSError) as error:
            _log.error("the store could not be opened again", error=str(error))

    def close(self) -> None:
        with self._closing:
            if self._lock_file is None:
                return
            self.renew(False)
            self._database.close()
            with self._log_guard:
                if self._present_log is not None:
                    os.close(self._present_log)
                    self._present_log = None
            os.close(self._lock_file)
            self._lock_file = None

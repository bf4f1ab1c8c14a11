"""The default store: LevelDB on the local disk, by plyvel.

LevelDB as it comes drops keys silently where its files are damaged; here it is opened with `paranoid_checks` and every
read verifies checksums. One process owns a folder: a lock file of our own (flock) says so before LevelDB is touched,
because a failed second open inside one process would drop LevelDB's own lock. Never use a store after a fork.
"""

from __future__ import annotations

import errno
import fcntl
import multiprocessing
import os
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import takewhile
from pathlib import Path
from typing import Any

import plyvel

from dvid_framework.errors import CorruptValue, StorageError, StoreFull, StoreInUse
from dvid_framework.storage.base import Capability, Reader, Store, StoreEngine
from dvid_framework.storage.batch import Batch
from dvid_framework.storage.leveldb_log import cut_torn_tail
from dvid_framework.storage.log import last_mutation

__all__ = ["LevelDBEngine", "LevelDBStore"]

_BUFFER_BYTES = 128 << 20  # write buffer and table file: large values without long stalls of compaction
_CACHE_BYTES = 64 << 20


@contextmanager
def _errors_of(what: str) -> Iterator[None]:
    """Turn plyvel's errors into ours."""
    try:
        yield
    except plyvel.CorruptionError as error:
        raise CorruptValue(f"LevelDB found damage {what}: {error}; `dvid fsck` tells more") from error
    except plyvel.IOError as error:
        if "No space left" in str(error):
            raise StoreFull(f"no space is left on the device {what}") from error
        raise StorageError(f"LevelDB failed {what}: {error}") from error
    except plyvel.Error as error:
        raise StorageError(f"LevelDB failed {what}: {error}") from error
    except RuntimeError as error:  # plyvel's answer after close
        raise StorageError(f"the store is closed {what}") from error


class _LevelDBReader(Reader):
    """Reads of a database or of a snapshot: plyvel gives both the same methods.

    The start of a reversed scan is judged here: plyvel 1.5 leaves out the first entry of such a scan if its key is the
    start itself.
    """

    def __init__(self, source: Any) -> None:
        self._source = source

    def get(self, key: bytes) -> bytes | None:
        try:
            value: bytes | None = self._source.get(key, verify_checksums=True)
        except (plyvel.Error, RuntimeError):
            with _errors_of(f"reading key {key.hex()}"):
                raise
        return value

    def multi_get(self, keys: Sequence[bytes]) -> list[bytes | None]:
        with _errors_of("reading keys"):
            get = self._source.get
            return [get(key, verify_checksums=True) for key in keys]

    def scan(self, start: bytes, stop: bytes, *, reverse: bool = False) -> Iterator[tuple[bytes, bytes]]:
        with (
            _errors_of(f"scanning from {start.hex()}"),
            self._source.iterator(
                start=None if reverse else start, stop=stop, reverse=reverse, verify_checksums=True
            ) as entries,
        ):
            if reverse:
                yield from takewhile(lambda entry: entry[0] >= start, entries)
            else:
                yield from entries

    def scan_keys(self, start: bytes, stop: bytes, *, reverse: bool = False) -> Iterator[bytes]:
        with (
            _errors_of(f"scanning from {start.hex()}"),
            self._source.iterator(
                start=None if reverse else start,
                stop=stop,
                reverse=reverse,
                include_value=False,
                verify_checksums=True,
            ) as keys,
        ):
            if reverse:
                yield from takewhile(lambda key: key >= start, keys)
            else:
                yield from keys

    def last(self, start: bytes, stop: bytes) -> tuple[bytes, bytes] | None:
        try:
            with self._source.raw_iterator(verify_checksums=True) as entries:
                entries.seek(stop)
                if entries.valid():
                    entries.prev()
                else:
                    entries.seek_to_last()
                if not entries.valid():
                    return None
                key: bytes = entries.key()
                return (key, entries.value()) if key >= start else None
        except (plyvel.Error, RuntimeError):
            with _errors_of(f"reading key {start.hex()}"):
                raise

    def find_each(self, ranges: Iterable[tuple[bytes, bytes]]) -> Iterator[tuple[list[bytes], bytes | None]]:
        # One iterator for all, that reads values only where asked to; and forwards, since LevelDB positions itself
        # twice to go backwards. It is positioned anew only where it does not stand right already.
        with _errors_of("finding keys"), self._source.raw_iterator(verify_checksums=True) as entries:
            seek, valid, key_of, forward = entries.seek, entries.valid, entries.key, entries.next
            before, at = b"", b""  # `at` is the first key from `before` on; empty if it is not known
            for start, stop in ranges:
                if not at or not before <= start <= at:
                    seek(start)
                    at = key_of() if valid() else b""
                found: list[bytes] = []
                value: bytes | None = None
                while at and at < stop:
                    if not found:
                        value = entries.value()
                    found.append(at)
                    forward()
                    at = key_of() if valid() else b""
                before = max(start, stop)
                yield found, value

    def close(self) -> None:
        self._source.close()


class LevelDBStore(_LevelDBReader, Store):
    """An open LevelDB."""

    capabilities = (
        Capability.ORDERED | Capability.ATOMIC_BATCHES | Capability.SNAPSHOTS | Capability.DURABLE | Capability.WRITABLE
    )

    def __init__(self, database: Any, path: Path, lock_file: int) -> None:
        super().__init__(database)
        self._path = path
        self._lock_file: int | None = lock_file
        self._closing = threading.Lock()
        self._sync_failure: str | None = None

    def write(self, batch: Batch) -> None:
        # A transaction: without it an exception in the block would still write what was put before.
        with _errors_of("writing"), self._source.write_batch(transaction=True) as unit:
            put, delete = unit.put, unit.delete
            for key, value in batch:
                if value is None:
                    delete(key)
                else:
                    put(key, value)

    def sync(self) -> None:
        if self._sync_failure is not None:  # the kernel tells of lost pages once, and a second try would succeed
            raise StorageError(f"{self._sync_failure}; what is durable is known only after a restart")
        # Not an empty synced batch: that would sync the present log file alone, and a write just before may be in
        # the one that LevelDB has just rotated out, unsynced, while its table is still being made.
        for log in self._path.glob("*.log"):
            try:
                file = os.open(log, os.O_RDONLY)
            except FileNotFoundError:
                continue  # its table is complete and synced, so LevelDB removed it
            try:
                os.fdatasync(file)
            except OSError as error:
                self._sync_failure = f"syncing {log.name} failed: {error}"
                raise (StoreFull if error.errno == errno.ENOSPC else StorageError)(self._sync_failure) from error
            finally:
                os.close(file)

    def snapshot(self) -> Reader:
        with _errors_of("taking a snapshot"):
            return _LevelDBReader(self._source.snapshot())

    def approximate_bytes(self, start: bytes, stop: bytes) -> int:
        with _errors_of("measuring"):
            return int(self._source.approximate_size(start, stop))

    def close(self) -> None:
        with self._closing:
            if self._lock_file is None:
                return
            self._source.close()
            os.close(self._lock_file)
            self._lock_file = None


def _own(path: Path) -> int:
    """Take the folder's lock; returns the open lock file."""
    try:
        path.mkdir(parents=True, exist_ok=True)
        lock_file = os.open(path / "OWNER", os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise StorageError(f"the folder {path} can't be opened for writing: {error.strerror}") from error
    try:
        fcntl.flock(lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(lock_file)
        raise StoreInUse(f"another server has {path} open") from error
    return lock_file


def _repair(path: str) -> None:
    plyvel.repair_db(path)


class LevelDBEngine(StoreEngine):
    """LevelDB in a folder of the local disk.

    Options: `cache_bytes` (64 MB) of blocks kept in memory, `write_buffer_bytes` (128 MB).
    """

    name = "leveldb"
    capabilities = LevelDBStore.capabilities

    def open(self, path: Path, options: Mapping[str, Any]) -> Store:
        buffer_bytes = int(options.get("write_buffer_bytes", _BUFFER_BYTES))
        lock_file = _own(path)
        try:
            with _errors_of(f"opening {path}"):
                database = plyvel.DB(
                    str(path),
                    create_if_missing=True,
                    paranoid_checks=True,
                    write_buffer_size=buffer_bytes,
                    max_file_size=buffer_bytes,
                    lru_cache_size=int(options.get("cache_bytes", _CACHE_BYTES)),
                    bloom_filter_bits=10,
                    compression=None,
                    max_open_files=500,
                )
        except BaseException:
            os.close(lock_file)
            raise
        return LevelDBStore(database, path, lock_file)

    def cut_torn_tail(self, path: Path, durable: int, options: Mapping[str, Any]) -> bool:
        """Cut a damaged end off LevelDB's own log; see `leveldb_log`."""

        def last_number(copy: Path) -> int:
            store = self.open(copy, options)
            try:
                return last_mutation(store)
            finally:
                store.close()

        lock_file = _own(path)
        try:
            return cut_torn_tail(path, durable, last_number)
        finally:
            os.close(lock_file)

    def repair(self, path: Path, options: Mapping[str, Any]) -> list[str]:
        """Let LevelDB rebuild its index from what it can read, in a child process, for it may abort."""
        del options
        lock_file = _own(path)
        try:
            child = multiprocessing.get_context("spawn").Process(target=_repair, args=(str(path),))
            child.start()
            child.join()
        finally:
            os.close(lock_file)
        if child.exitcode:
            raise StorageError(f"LevelDB's repair of {path} ended with {child.exitcode}")
        return [f"LevelDB rebuilt {path} from all that it could read; run `dvid fsck` to see what is missing"]

"""The default store: LevelDB on the local disk, by plyvel.

LevelDB as it comes drops keys silently where its files are damaged; here it is opened with `paranoid_checks` and every
read verifies checksums. One process owns a folder: a lock file of our own (flock) says so before LevelDB is touched,
because a failed second open inside one process would drop LevelDB's own lock. Never use a store after a fork.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import plyvel

from dvid_framework.storage.base import Reader
from dvid_framework.storage.batch import Batch
from dvid_framework.storage.embedded import EmbeddedEngine
from dvid_framework.storage.embedded_database import Database
from dvid_framework.storage.embedded_store import EmbeddedStore
from dvid_framework.storage.leveldb_reading import LevelDBReader, LevelDBSnapshot, errors_of
from dvid_framework.storage.shared_snapshot import SharedSnapshot

__all__ = ["LevelDBEngine", "LevelDBStore"]

_BUFFER_BYTES = 128 << 20  # write buffer and table file: large values without long stalls of compaction
_CACHE_BYTES = 64 << 20
_SPARE_UNITS = 2
_SPARE_BYTES = 24 << 20  # of a batch that is kept: LevelDB then need not grow a new one, copy by copy


class LevelDBStore(EmbeddedStore):
    """An open LevelDB."""

    title = "LevelDB"

    def __init__(self, database: Database, path: Path, lock_file: int, buffer_bytes: int) -> None:
        super().__init__(database, path, lock_file, buffer_bytes)
        self._shared = SharedSnapshot(database)
        self._spare: list[tuple[Any, Any]] = []  # databases, and batches of theirs that were written

    def reader(self, source: Any) -> Reader:
        return LevelDBReader(source)

    def snapshot(self) -> Reader:
        try:
            return LevelDBSnapshot(self._shared)
        except (plyvel.Error, RuntimeError):
            with errors_of("taking a snapshot"):
                raise

    def renew(self, keep: bool) -> None:
        self._shared.renew(keep)

    def approximate_bytes(self, start: bytes, stop: bytes) -> int:
        with self._database.use() as source, errors_of("measuring"):
            return int(source.approximate_size(start, stop))

    def prepare(self, source: Any, batch: Batch) -> Callable[[], None]:
        with errors_of("writing"):
            unit = self._unit(source)
            put, delete = unit.put, unit.delete
            for key, value in batch:
                if value is None:
                    delete(key)
                else:
                    put(key, value)

        def write() -> None:
            with errors_of("writing"):
                unit.write()
            if batch.stored_bytes <= _SPARE_BYTES and len(self._spare) < _SPARE_UNITS:
                unit.clear()
                self._spare.append((source, unit))

        return write

    def close(self) -> None:
        self._spare.clear()
        super().close()

    def _unit(self, source: Any) -> Any:
        """Return an empty batch of an open database."""
        while self._spare:
            try:
                owner, unit = self._spare.pop()
            except IndexError:
                break  # another thread took it
            if owner is source:
                return unit
        # A transaction: without it an exception in the block would still write what was put before.
        return source.write_batch(transaction=True)


class LevelDBEngine(EmbeddedEngine):
    """LevelDB in a folder of the local disk.

    Options: `cache_bytes` (64 MB) of blocks kept in memory, `write_buffer_bytes` (128 MB).
    """

    name = "leveldb"
    title = "LevelDB"
    capabilities = LevelDBStore.capabilities

    @staticmethod
    def rebuild(path: str) -> None:
        plyvel.repair_db(path)

    def open_owned(self, path: Path, options: Mapping[str, Any], lock_file: int) -> EmbeddedStore:
        buffer_bytes = int(options.get("write_buffer_bytes", _BUFFER_BYTES))

        def open_database() -> Any:
            with errors_of(f"opening {path}"):
                return plyvel.DB(
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

        return LevelDBStore(Database(path, open_database), path, lock_file, buffer_bytes)

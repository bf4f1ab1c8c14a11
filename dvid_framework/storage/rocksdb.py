"""The other store of the local disk: RocksDB, by rocksdict, where LevelDB's driver has no wheel.

It is opened to refuse a damaged log, as LevelDB is, and each read verifies checksums. rocksdict holds the GIL while it
reads and writes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import rocksdict
import structlog

from dvid_framework.errors import StorageError
from dvid_framework.storage.base import Reader
from dvid_framework.storage.batch import Batch
from dvid_framework.storage.embedded import EmbeddedEngine
from dvid_framework.storage.embedded_database import Database
from dvid_framework.storage.embedded_store import EmbeddedStore
from dvid_framework.storage.rocksdb_reading import RocksDBSnapshot, errors_of

__all__ = ["RocksDBEngine", "RocksDBStore"]

_BUFFER_BYTES = 128 << 20
_CACHE_BYTES = 64 << 20
_PLACE_BYTES = 32  # of a key, to guess where in a table it is
_log = structlog.get_logger("dvid.storage")


class _Opened:
    """An open database; closing it raises nothing."""

    def __init__(self, path: Path, options: Mapping[str, Any]) -> None:
        with errors_of(f"opening {path}"):
            self.database = rocksdict.Rdict(str(path), _options(options))

    def close(self) -> None:
        try:
            with errors_of("closing"):
                self.database.close()
        except StorageError as error:  # no table could be made of what the log holds: the next start does it
            _log.warning("closed without writing the last table", error=error.message)


class RocksDBStore(EmbeddedStore):
    """An open RocksDB."""

    title = "RocksDB"

    def reader(self, source: _Opened) -> Reader:
        with errors_of("reading"):
            return RocksDBSnapshot(source.database)

    def get(self, key: bytes) -> bytes | None:
        with self._database.use() as source, errors_of(f"reading key {key.hex()}"):
            value: bytes | None = source.database.get(key)
        return value

    def snapshot(self) -> Reader:
        source = self._database.enter()
        try:
            with errors_of("taking a snapshot"):
                return RocksDBSnapshot(source.database, self._database.leave)
        except BaseException:
            self._database.leave()
            raise

    def approximate_bytes(self, start: bytes, stop: bytes) -> int:
        with self._database.use() as source, errors_of("measuring"):
            return sum(_share(table, start, stop) for table in source.database.live_files())

    def prepare(self, source: _Opened, batch: Batch) -> Callable[[], None]:
        with errors_of("writing"):
            unit = rocksdict.WriteBatch(raw_mode=True)
            put, delete = unit.put, unit.delete
            for key, value in batch:
                if value is None:
                    delete(key)
                else:
                    put(key, value if isinstance(value, bytes) else bytes(value))

        def write() -> None:
            with errors_of("writing"):
                source.database.write(unit)

        return write


def _share(table: Mapping[str, Any], start: bytes, stop: bytes) -> int:
    """Guess how many bytes of a table are between two keys, as if its keys were spread evenly."""
    low, high, first, last = (
        int.from_bytes(key[:_PLACE_BYTES].ljust(_PLACE_BYTES, b"\x00"), "big")
        for key in (start, stop, table["start_key"], table["end_key"])
    )
    size = int(table["size"])
    if low <= first and last < high:
        return size
    inside = min(high, last) - max(low, first)
    return size * inside // (last - first) if inside > 0 else 0


class RocksDBEngine(EmbeddedEngine):
    """RocksDB in a folder of the local disk.

    Options: `cache_bytes` (64 MB) of blocks kept in memory, `write_buffer_bytes` (128 MB).
    """

    name = "rocksdb"
    title = "RocksDB"
    capabilities = RocksDBStore.capabilities

    @staticmethod
    def rebuild(path: str) -> None:
        rocksdict.Rdict.repair(path, rocksdict.Options(raw_mode=True))

    def open_owned(self, path: Path, options: Mapping[str, Any], lock_file: int) -> EmbeddedStore:
        buffer_bytes = int(options.get("write_buffer_bytes", _BUFFER_BYTES))
        return RocksDBStore(Database(path, lambda: _Opened(path, options)), path, lock_file, buffer_bytes)


def _options(options: Mapping[str, Any]) -> rocksdict.Options:
    buffer_bytes = int(options.get("write_buffer_bytes", _BUFFER_BYTES))
    tables = rocksdict.BlockBasedOptions()
    tables.set_block_cache(rocksdict.Cache(int(options.get("cache_bytes", _CACHE_BYTES))))
    tables.set_bloom_filter(10, False)
    chosen = rocksdict.Options(raw_mode=True)
    chosen.create_if_missing(True)
    chosen.set_paranoid_checks(True)
    chosen.set_wal_recovery_mode(rocksdict.DBRecoveryMode.absolute_consistency())
    chosen.set_block_based_table_factory(tables)
    chosen.set_compression_type(rocksdict.DBCompressionType.none())
    chosen.set_write_buffer_size(buffer_bytes)
    chosen.set_target_file_size_base(buffer_bytes)
    chosen.set_max_bytes_for_level_base(8 * buffer_bytes)
    chosen.set_max_write_buffer_number(3)  # a full one is written out while the next one fills
    chosen.set_max_background_jobs(2)
    chosen.set_max_open_files(500)
    chosen.set_keep_log_file_num(2)
    chosen.set_stats_dump_period_sec(0)
    return chosen

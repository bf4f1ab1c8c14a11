"""Stores in memory: one with atomic batches and snapshots, and one that is atomic for single keys only.

The second is what a bucket or a one-row-atomic table offers; `storage.units` makes a full store of it.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from sortedcontainers import SortedDict

from dvid_framework.errors import StorageError
from dvid_framework.storage.base import Capability, Reader, Store, StoreEngine
from dvid_framework.storage.batch import Batch

__all__ = ["MemoryEngine", "MemoryReader", "MemoryStore"]


class MemoryReader(Reader):
    """Reads of a sorted dictionary that nobody changes."""

    def __init__(self, entries: SortedDict) -> None:
        self._entries: SortedDict | None = entries

    @property
    def _open(self) -> SortedDict:
        if self._entries is None:
            raise StorageError("the store is closed")
        return self._entries

    def get(self, key: bytes) -> bytes | None:
        value: bytes | None = self._open.get(key)
        return value

    def scan(self, start: bytes, stop: bytes, *, reverse: bool = False) -> Iterator[tuple[bytes, bytes]]:
        entries = self._open
        for key in entries.irange(start, stop, inclusive=(True, False), reverse=reverse):
            yield key, entries[key]

    def scan_keys(self, start: bytes, stop: bytes, *, reverse: bool = False) -> Iterator[bytes]:
        yield from self._open.irange(start, stop, inclusive=(True, False), reverse=reverse)

    def close(self) -> None:
        self._entries = None


class MemoryStore(MemoryReader, Store):
    """A store in memory; a write after a snapshot copies the dictionary, so it suits tests and small data."""

    capabilities = Capability.ORDERED | Capability.ATOMIC_BATCHES | Capability.SNAPSHOTS | Capability.WRITABLE

    def __init__(self, entries: SortedDict | None = None) -> None:
        super().__init__(SortedDict() if entries is None else entries)
        self._lock = threading.Lock()
        self._shared = False

    def write(self, batch: Batch) -> None:
        operations = [(key, None if value is None else bytes(value)) for key, value in batch]
        with self._lock:
            entries = self._open.copy() if self._shared else self._open
            for key, value in operations:
                if value is None:
                    entries.pop(key, None)
                else:
                    entries[key] = value
            self._entries, self._shared = entries, False

    def scan(self, start: bytes, stop: bytes, *, reverse: bool = False) -> Iterator[tuple[bytes, bytes]]:
        return self.snapshot().scan(start, stop, reverse=reverse)

    def scan_keys(self, start: bytes, stop: bytes, *, reverse: bool = False) -> Iterator[bytes]:
        return self.snapshot().scan_keys(start, stop, reverse=reverse)

    def sync(self) -> None:
        """Nothing survives anyway."""

    def snapshot(self) -> Reader:
        with self._lock:
            self._shared = True
            return MemoryReader(self._open)


class MemoryEngine(StoreEngine):
    """Keeps all in memory until the server ends: for tests and trials."""

    name = "memory"
    capabilities = MemoryStore.capabilities

    def open(self, path: Path, options: Mapping[str, Any]) -> Store:
        del path, options
        return MemoryStore()

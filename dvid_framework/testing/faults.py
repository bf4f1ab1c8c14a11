"""Stores with faults: one whose n-th call fails, and one that loses what was not synced when the power goes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from sortedcontainers import SortedDict

from dvid_framework.errors import StorageError
from dvid_framework.hookspecs import hookimpl
from dvid_framework.storage.base import Capability, Reader, Store, StoreEngine
from dvid_framework.storage.batch import Batch
from dvid_framework.storage.memory import MemoryStore

__all__ = ["FailingEngine", "FailingStore", "FaultPlugin", "PowerLossStore"]

_READS = frozenset({"get", "multi_get", "scan", "scan_keys", "snapshot"})


class FailingStore(Store):
    """Passes calls on to a store, but lets some of them fail without effect.

    Args:
        store: the store that does the work.
        error: makes what a failing call raises; `StoreFull` and `StorageError` are natural.

    Attributes:
        calls: how many calls were counted.
        fail_at: number of the call that fails; 0 for none.
        fail_for: how many calls fail from there on.
        count_reads: whether reads are counted and fail too, or only `write` and `sync`.
    """

    capabilities = MemoryStore.capabilities | Capability.DURABLE

    def __init__(self, store: Store, error: Callable[[str], StorageError] = StorageError) -> None:
        self._store = store
        self._error = error
        self._lock = threading.Lock()
        self.calls = 0
        self.fail_at = 0
        self.fail_for = 1
        self.count_reads = False

    def fail_next(self, after: int = 0, count: int = 1) -> None:
        """Let `count` calls fail after `after` more that succeed."""
        self.fail_at, self.fail_for = self.calls + after + 1, count

    def _call(self, name: str) -> None:
        if name in _READS and not self.count_reads:
            return
        with self._lock:
            self.calls += 1
            if self.fail_at and self.fail_at <= self.calls < self.fail_at + self.fail_for:
                raise self._error(f"{name} fails on demand")

    def get(self, key: bytes) -> bytes | None:
        self._call("get")
        return self._store.get(key)

    def multi_get(self, keys: Sequence[bytes]) -> list[bytes | None]:
        self._call("multi_get")
        return self._store.multi_get(keys)

    def scan(self, start: bytes, stop: bytes, *, reverse: bool = False) -> Iterator[tuple[bytes, bytes]]:
        self._call("scan")
        return self._store.scan(start, stop, reverse=reverse)

    def scan_keys(self, start: bytes, stop: bytes, *, reverse: bool = False) -> Iterator[bytes]:
        self._call("scan_keys")
        return self._store.scan_keys(start, stop, reverse=reverse)

    def write(self, batch: Batch) -> None:
        self._call("write")
        self._store.write(batch)

    def sync(self) -> None:
        self._call("sync")
        self._store.sync()

    def snapshot(self) -> Reader:
        self._call("snapshot")
        return self._store.snapshot()

    def close(self) -> None:
        self._store.close()


class FailingEngine(StoreEngine):
    """Opens a `FailingStore` over memory: the engine `failing` of a configuration."""

    name = "failing"
    capabilities = FailingStore.capabilities

    def open(self, path: Path, options: Mapping[str, Any]) -> Store:
        del path, options
        return FailingStore(MemoryStore())


class FaultPlugin:
    """A plugin that brings the engine `failing`."""

    @staticmethod
    @hookimpl
    def dvid_store_engines() -> Iterable[type[StoreEngine]]:
        """Give the engine to the core."""
        return [FailingEngine]


class PowerLossStore(MemoryStore):
    """A store in memory that knows what a power loss would leave of it.

    Attributes:
        unsynced: the batches since the last sync, the oldest first.
    """

    capabilities = MemoryStore.capabilities | Capability.DURABLE

    def __init__(self, entries: SortedDict | None = None) -> None:
        super().__init__(entries)
        self._durable = SortedDict(self._open)
        self._order = threading.Lock()
        self.unsynced: list[Batch] = []

    def write(self, batch: Batch) -> None:
        with self._order:
            super().write(batch)
            kept = Batch()
            kept.extend(batch)
            self.unsynced.append(kept)

    def sync(self) -> None:
        with self._order:
            self._durable = SortedDict(self._open)
            self.unsynced.clear()

    def after_power_loss(self, kept: int = 0) -> PowerLossStore:
        """Return what a new process finds when the power goes now.

        Args:
            kept: how many of the unsynced batches reached the disk all the same; they are the oldest ones.
        """
        with self._order:
            survivor = MemoryStore(SortedDict(self._durable))
            for batch in self.unsynced[:kept]:
                survivor.write(batch)
            return PowerLossStore(SortedDict(survivor.scan(b"", b"\xff" * 64)))

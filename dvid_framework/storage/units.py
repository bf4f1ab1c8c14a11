"""A full store over rows that are atomic one at a time: a bucket, a table, or a memory store of that kind.

A batch is committed by ONE conditional write: a *unit record* that holds all its operations. Then they are applied to
their own keys and the record is removed. Whoever finds a unit record at open rolls it forward, so a batch is visible
whole or not at all whenever the process dies. What a failing row kept from being applied is served from memory and
tried again before the next write. Snapshots remember the values that later batches replace, while they are open.
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator
from itertools import islice

import msgspec

from dvid_framework.errors import StorageError
from dvid_framework.storage.base import Capability, Reader, Store
from dvid_framework.storage.batch import Batch

__all__ = ["SingleRowStore", "UnitStore"]

_UNIT = b"\x06"
_UNIT_STOP = b"\x07"
_PAGE = 512
_Operations = list[tuple[bytes, bytes | None]]
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Operations).decode


class SingleRowStore(ABC):
    """Rows in byte order of their keys; each call is atomic, and no two calls are so together."""

    @abstractmethod
    def get(self, key: bytes) -> bytes | None:
        """Return the value of key, or None."""

    @abstractmethod
    def create(self, key: bytes, value: bytes) -> bool:
        """Set key only if it is absent; tell whether it was."""

    @abstractmethod
    def put(self, key: bytes, value: bytes) -> None:
        """Set key."""

    @abstractmethod
    def delete(self, key: bytes) -> None:
        """Remove key, if it is there."""

    @abstractmethod
    def scan_keys(self, start: bytes, stop: bytes, *, reverse: bool = False) -> Iterator[bytes]:
        """Yield the keys with start <= key < stop in byte order, or backwards."""

    def close(self) -> None:  # noqa: B027 - most have nothing to release
        """Release the connection."""


class UnitStore(Store):
    """A store with atomic batches and snapshots over single rows."""

    capabilities = (
        Capability.ORDERED | Capability.ATOMIC_BATCHES | Capability.SNAPSHOTS | Capability.DURABLE | Capability.WRITABLE
    )

    def __init__(self, rows: SingleRowStore) -> None:
        self._rows = rows
        self._lock = threading.RLock()
        self._unapplied: dict[bytes, bytes | None] = {}
        self._records: list[bytes] = []  # unit records that still stand, the oldest first
        self._in_doubt: bytes | None = None
        self._count = 0
        self._replaced: list[tuple[int, dict[bytes, bytes | None]]] = []
        self._open_snapshots: list[int] = []
        self._closed = False
        self._recover()

    def _need_open(self) -> None:
        if self._closed:
            raise StorageError("the store is closed")

    def _recover(self) -> None:
        for record in list(self._rows.scan_keys(_UNIT, _UNIT_STOP)):
            unit = self._rows.get(record)
            if unit is not None:
                self._unapplied.update(_decode(unit))
            self._records.append(record)
            self._count = int.from_bytes(record[1:], "big")
        self._apply()

    def _apply(self) -> None:
        """Bring what is committed to its rows; raises if a row still fails."""
        for key in list(self._unapplied):
            value = self._unapplied[key]
            if value is None:
                self._rows.delete(key)
            else:
                self._rows.put(key, value)
            del self._unapplied[key]
        while self._records:
            self._rows.delete(self._records[0])
            del self._records[0]

    def write(self, batch: Batch) -> None:
        operations = [(key, None if value is None else bytes(value)) for key, value in batch]
        with self._lock:
            self._need_open()
            if self._in_doubt is not None:
                self._rows.delete(self._in_doubt)  # its caller was told that it failed
                self._in_doubt = None
            self._apply()
            self._count += 1
            record = _UNIT + self._count.to_bytes(8, "big")
            before = {key: self.get(key) for key, _ in operations} if self._open_snapshots else {}
            self._in_doubt = record
            if not self._rows.create(record, _encode(operations)):
                self._in_doubt = None
                raise StorageError("another server writes to this store; each store has one owner")
            self._in_doubt = None
            self._records.append(record)
            self._unapplied.update(operations)
            if before:
                self._replaced.append((self._count, before))
            try:
                self._apply()
            except StorageError:
                return  # committed all the same: served from memory and applied before the next write

    def get(self, key: bytes) -> bytes | None:
        with self._lock:
            self._need_open()
            return self._unapplied[key] if key in self._unapplied else self._rows.get(key)

    def scan_keys(self, start: bytes, stop: bytes, *, reverse: bool = False) -> Iterator[bytes]:
        while True:
            with self._lock:
                page = list(islice(self._merged_keys(start, stop, {}, reverse), _PAGE))
            yield from page
            if len(page) < _PAGE:
                return
            start, stop = (start, page[-1]) if reverse else (page[-1] + b"\x00", stop)

    def _merged_keys(
        self, start: bytes, stop: bytes, replaced: dict[bytes, bytes | None], reverse: bool
    ) -> Iterator[bytes]:
        """Yield the keys of the rows as the unapplied operations, and then `replaced`, change them."""
        self._need_open()
        changed = {**self._unapplied, **replaced}
        extra = sorted((k for k, v in changed.items() if v is not None and start <= k < stop), reverse=reverse)
        position = 0
        for key in self._rows.scan_keys(start, stop, reverse=reverse):
            while position < len(extra) and (extra[position] > key if reverse else extra[position] < key):
                yield extra[position]
                position += 1
            if key in changed:
                continue  # either gone, or among the extra ones
            if not _UNIT <= key < _UNIT_STOP:
                yield key
        yield from extra[position:]

    def scan(self, start: bytes, stop: bytes, *, reverse: bool = False) -> Iterator[tuple[bytes, bytes]]:
        for key in self.scan_keys(start, stop, reverse=reverse):
            value = self.get(key)
            if value is not None:
                yield key, value

    def sync(self) -> None:
        """A row that was written is durable."""

    def snapshot(self) -> Reader:
        with self._lock:
            self._need_open()
            self._open_snapshots.append(self._count)
            return _UnitSnapshot(self, self._count)

    def close(self) -> None:
        with self._lock:
            if not self._closed:
                self._closed = True
                self._rows.close()

    def value_at(self, key: bytes, count: int) -> bytes | None:
        """Return the value that key had after `count` batches; for open snapshots only."""
        with self._lock:
            for number, before in self._replaced:
                if number > count and key in before:
                    return before[key]
            return self.get(key)

    def keys_at(self, start: bytes, stop: bytes, count: int, reverse: bool) -> list[bytes]:
        """Return a page of the keys that there were after `count` batches."""
        with self._lock:
            replaced: dict[bytes, bytes | None] = {}
            for number, before in reversed(self._replaced):
                if number > count:
                    replaced.update(before)
            return list(islice(self._merged_keys(start, stop, replaced, reverse), _PAGE))

    def release(self, count: int) -> None:
        """Forget what only a snapshot of `count` needed."""
        with self._lock:
            self._open_snapshots.remove(count)
            oldest = min(self._open_snapshots, default=self._count)
            self._replaced = [entry for entry in self._replaced if entry[0] > oldest]


class _UnitSnapshot(Reader):
    def __init__(self, store: UnitStore, count: int) -> None:
        self._store = store
        self._count = count
        self._closed = False

    def get(self, key: bytes) -> bytes | None:
        return self._store.value_at(key, self._count)

    def scan_keys(self, start: bytes, stop: bytes, *, reverse: bool = False) -> Iterator[bytes]:
        while True:
            page = self._store.keys_at(start, stop, self._count, reverse)
            yield from page
            if len(page) < _PAGE:
                return
            start, stop = (start, page[-1]) if reverse else (page[-1] + b"\x00", stop)

    def scan(self, start: bytes, stop: bytes, *, reverse: bool = False) -> Iterator[tuple[bytes, bytes]]:
        for key in self.scan_keys(start, stop, reverse=reverse):
            value = self.get(key)
            if value is not None:
                yield key, value

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._store.release(self._count)

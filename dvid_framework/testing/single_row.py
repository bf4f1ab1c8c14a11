"""Rows in memory, atomic one at a time as in a bucket or a table; they can fail or die at a chosen call."""

from __future__ import annotations

import threading
from collections.abc import Iterator

from sortedcontainers import SortedDict

from dvid_framework.errors import StorageError
from dvid_framework.storage.units import SingleRowStore

__all__ = ["Died", "Rows"]


class Died(BaseException):
    """The process would be gone here. No `Exception`, so that nothing but the test catches it."""


class Rows(SingleRowStore):
    """Rows in memory.

    Attributes:
        calls: how many calls were made.
        fail_at: number of the call that fails with `StorageError`, and changes nothing.
        fail_for: how many calls fail from there on.
        in_doubt: the failing call is applied all the same: the answer got lost on the way.
        die_at: number of the call at which the process dies: neither it nor any later one changes anything.
    """

    def __init__(self, rows: SortedDict | None = None) -> None:
        self._rows: SortedDict = SortedDict() if rows is None else rows
        self._lock = threading.Lock()
        self.calls = 0
        self.fail_at = 0
        self.fail_for = 1
        self.in_doubt = False
        self.die_at = 0

    def survivors(self) -> Rows:
        """Return what a new process finds: the same rows, without faults."""
        return Rows(SortedDict(self._rows))

    def _call(self, what: str) -> bool:
        """Count a call; tells whether it is to fail after being applied."""
        self.calls += 1
        if self.die_at and self.calls >= self.die_at:
            raise Died(f"call {self.calls}: {what}")
        if self.fail_at and self.fail_at <= self.calls < self.fail_at + self.fail_for:
            if self.in_doubt:
                return True
            raise StorageError(f"call {self.calls} ({what}) fails on demand")
        return False

    def _lost(self, what: str) -> StorageError:
        return StorageError(f"the answer to call {self.calls} ({what}) is lost on demand")

    def get(self, key: bytes) -> bytes | None:
        with self._lock:
            if self._call("get"):
                raise self._lost("get")
            value: bytes | None = self._rows.get(key)
            return value

    def create(self, key: bytes, value: bytes) -> bool:
        with self._lock:
            lost = self._call("create")
            absent = key not in self._rows
            if absent:
                self._rows[key] = value
            if lost:
                raise self._lost("create")
            return absent

    def put(self, key: bytes, value: bytes) -> None:
        with self._lock:
            lost = self._call("put")
            self._rows[key] = value
            if lost:
                raise self._lost("put")

    def delete(self, key: bytes) -> None:
        with self._lock:
            lost = self._call("delete")
            self._rows.pop(key, None)
            if lost:
                raise self._lost("delete")

    def scan_keys(self, start: bytes, stop: bytes, *, reverse: bool = False) -> Iterator[bytes]:
        with self._lock:
            if self._call("scan"):
                raise self._lost("scan")
            keys = list(self._rows.irange(start, stop, inclusive=(True, False), reverse=reverse))
        yield from keys

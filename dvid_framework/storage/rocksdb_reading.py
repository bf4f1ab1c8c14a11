"""Reads of a RocksDB, and what its errors mean.

What rocksdict 0.3.29 gets wrong is kept away from: its iterators over a snapshot do not see the snapshot but what is
newest, so here an iterator made in time is the snapshot; and its `items` and `keys` end without a word where the medium
fails, so the raw iterator and its status are used.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

import rocksdict

from dvid_framework.errors import CorruptValue, StorageError, StoreFull
from dvid_framework.storage.base import Reader
from dvid_framework.storage.embedded_database import is_full

__all__ = ["RocksDBSnapshot", "errors_of"]

_PAGE_ENTRIES = 512
_PAGE_BYTES = 1 << 20
_FEW = 16  # entries that `last` looks through one by one


@contextmanager
def errors_of(what: str) -> Iterator[None]:
    """Turn rocksdict's errors, which are told apart by their text alone, into ours."""
    try:
        yield
    except (StorageError, TypeError, ValueError):  # ours already, or a caller's mistake
        raise
    except Exception as error:
        text = str(error)
        if isinstance(error, rocksdict.DbClosedError):
            raise StorageError(f"the store is closed {what}") from error
        if text.startswith("Corruption"):
            raise CorruptValue(f"RocksDB found damage {what}: {text}; `dvid fsck` tells more") from error
        if is_full(text):
            raise StoreFull(f"no space is left on the device {what}") from error
        raise StorageError(f"RocksDB failed {what}: {text}") from error


class RocksDBSnapshot(Reader):
    """One state of the store: an iterator, which never sees what is written after it was made.

    All reads share it: each positions it anew under a lock, and a scan takes a page of entries at a time.
    """

    def __init__(self, database: rocksdict.Rdict, leave: Callable[[], None] | None = None) -> None:
        self._leave = leave
        self._iterator: rocksdict.RdictIter | None = database.iter()
        self._lock = threading.Lock()
        self._placed_by: object = None  # the scan that moved the iterator last

    @contextmanager
    def _reading(self, what: str) -> Iterator[rocksdict.RdictIter]:
        with self._lock, errors_of(what):
            if self._iterator is None:
                raise StorageError(f"the store is closed {what}")
            yield self._iterator

    def get(self, key: bytes) -> bytes | None:
        return self.multi_get((key,))[0]

    def multi_get(self, keys: Sequence[bytes]) -> list[bytes | None]:
        found: list[bytes | None] = []
        with self._reading("reading keys") as iterator:
            self._placed_by = None
            for key in keys:
                iterator.seek(key)
                if iterator.valid():
                    found.append(iterator.value() if iterator.key() == key else None)
                else:
                    iterator.status()
                    found.append(None)
        return found

    def scan(self, start: bytes, stop: bytes, *, reverse: bool = False) -> Iterator[tuple[bytes, bytes]]:
        for keys, values in self._pages(start, stop, reverse, with_values=True):
            yield from zip(keys, values, strict=True)

    def scan_keys(self, start: bytes, stop: bytes, *, reverse: bool = False) -> Iterator[bytes]:
        for keys, _ in self._pages(start, stop, reverse, with_values=False):
            yield from keys

    def _pages(
        self, start: bytes, stop: bytes, reverse: bool, *, with_values: bool
    ) -> Iterator[tuple[list[bytes], list[bytes]]]:
        """Yield keys and values page by page; the first is of one entry, since many a scan looks no further."""
        token, entries, more = object(), 1, start < stop
        while more:
            keys: list[bytes] = []
            values: list[bytes] = []
            with self._reading(f"scanning from {start.hex()}") as iterator:
                if self._placed_by is not token:
                    self._placed_by = token
                    _place(iterator, start, stop, reverse)
                valid, key_of, value_of = iterator.valid, iterator.key, iterator.value
                step, room = iterator.prev if reverse else iterator.next, _PAGE_BYTES
                while more and len(keys) < entries and room > 0:
                    if not valid():
                        iterator.status()
                        more = False
                        break
                    key = key_of()
                    if key < start or key >= stop:
                        more = False
                        break
                    keys.append(key)
                    if with_values:
                        values.append(value_of())
                        room -= len(values[-1])
                    step()
            if keys:
                yield keys, values
                start, stop = (start, keys[-1]) if reverse else (keys[-1] + b"\x00", stop)
            entries = min(entries * 8, _PAGE_ENTRIES)

    def find_each(self, ranges: Iterable[tuple[bytes, bytes]]) -> Iterator[tuple[list[bytes], bytes | None]]:
        for start, stop in ranges:
            found: list[bytes] = []
            value: bytes | None = None
            with self._reading("finding keys") as iterator:
                self._placed_by = None
                iterator.seek(start)
                while iterator.valid():
                    key = iterator.key()
                    if key >= stop:
                        break
                    if not found:
                        value = iterator.value()
                    found.append(key)
                    iterator.next()
                else:
                    iterator.status()
            yield found, value

    def last(self, start: bytes, stop: bytes) -> tuple[bytes, bytes] | None:
        # Forwards first: going backwards reads what stands before `start` in each table, which may be large.
        with self._reading(f"reading key {start.hex()}") as iterator:
            self._placed_by = None
            found: bytes | None = None
            iterator.seek(start)
            for _ in range(_FEW):
                key = iterator.key() if iterator.valid() else None
                if key is None or key >= stop:
                    break
                found = key
                iterator.next()
            else:
                _place(iterator, start, stop, reverse=True)
                found = iterator.key()
            iterator.status()
            if found is None:
                return None
            iterator.seek(found)
            iterator.status()
            return found, iterator.value()

    def close(self) -> None:
        with self._lock:
            self._iterator = None
            leave, self._leave = self._leave, None
        if leave is not None:
            leave()

    def __del__(self) -> None:
        if getattr(self, "_lock", None) is not None:
            self.close()


def _place(iterator: rocksdict.RdictIter, start: bytes, stop: bytes, reverse: bool) -> None:
    """Move to the first entry of a scan."""
    if not reverse:
        iterator.seek(start)
        return
    iterator.seek_for_prev(stop)
    if iterator.valid() and iterator.key() == stop:
        iterator.prev()

"""Reads of a LevelDB and of snapshots of one, and what LevelDB's errors mean."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import takewhile
from typing import Any

import plyvel

from dvid_framework.errors import CorruptValue, StorageError, StoreFull
from dvid_framework.storage.base import UNBOUNDED, Found, Reader
from dvid_framework.storage.embedded_database import is_full
from dvid_framework.storage.shared_snapshot import Held, SharedSnapshot

__all__ = ["LevelDBReader", "LevelDBSnapshot", "errors_of"]

_BEHIND_ALL = b"\xff" * 1024
_FEW = 8  # keys of a range that are rather passed one by one


@contextmanager
def errors_of(what: str) -> Iterator[None]:
    """Turn plyvel's errors into ours."""
    try:
        yield
    except plyvel.CorruptionError as error:
        raise CorruptValue(f"LevelDB found damage {what}: {error}; `dvid fsck` tells more") from error
    except plyvel.IOError as error:
        if is_full(str(error)):
            raise StoreFull(f"no space is left on the device {what}") from error
        raise StorageError(f"LevelDB failed {what}: {error}") from error
    except plyvel.Error as error:
        raise StorageError(f"LevelDB failed {what}: {error}") from error
    except RuntimeError as error:  # plyvel's answer after close
        raise StorageError(f"the store is closed {what}") from error


class LevelDBReader(Reader):
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
            with errors_of(f"reading key {key.hex()}"):
                raise
        return value

    def multi_get(self, keys: Sequence[bytes]) -> list[bytes | None]:
        with errors_of("reading keys"):
            get = self._source.get
            return [get(key, verify_checksums=True) for key in keys]

    def scan(self, start: bytes, stop: bytes, *, reverse: bool = False) -> Iterator[tuple[bytes, bytes]]:
        with (
            errors_of(f"scanning from {start.hex()}"),
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
            errors_of(f"scanning from {start.hex()}"),
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
        # Forwards first: to go backwards, LevelDB copies the value that stands before `start`, which may be large.
        try:
            with self._source.raw_iterator(verify_checksums=True) as entries:
                entries.seek(start)
                found: bytes | None = None
                for _ in range(_FEW):
                    key: bytes = entries.key() if entries.valid() else stop
                    if key >= stop:
                        break
                    found = key
                    entries.next()
                else:
                    return _last_before(entries, stop)
                if found is None:
                    return None
                entries.seek(found)
                return found, entries.value()
        except (plyvel.Error, RuntimeError):
            with errors_of(f"reading key {start.hex()}"):
                raise

    def find_each(self, ranges: Iterable[tuple[bytes, bytes]]) -> Iterator[tuple[list[bytes], bytes | None]]:
        # One iterator for all, that reads values only where asked to; and forwards, since LevelDB positions itself
        # twice to go backwards. It is positioned anew only where it does not stand right already.
        with errors_of("finding keys"), self._source.raw_iterator(verify_checksums=True) as entries:
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

    def find_all(self, starts: Sequence[bytes], tail: bytes, most_bytes: int | None = None) -> list[Found]:
        found: list[Found] = []
        room = UNBOUNDED if most_bytes is None else most_bytes
        with errors_of("finding keys"), self._source.raw_iterator(verify_checksums=True) as entries:
            seek, valid, key_of, value_of, forward = (
                entries.seek,
                entries.valid,
                entries.key,
                entries.value,
                entries.next,
            )
            at = b""  # where the iterator stands: at the first key behind the range before
            for start in starts:
                if not at.startswith(start):
                    if at < start:
                        seek(start)
                        at = key_of() if valid() else _BEHIND_ALL
                    if not at.startswith(start):
                        found.append(None)
                        continue
                stop = start + tail
                if at >= stop:
                    found.append(None)
                    continue
                key, value = at, value_of()
                room -= len(value)
                if room < 0:
                    break
                forward()
                at = key_of() if valid() else _BEHIND_ALL
                if at >= stop:
                    found.append((key, value))
                    continue
                several = [key]
                while at < stop:
                    several.append(at)
                    forward()
                    at = key_of() if valid() else _BEHIND_ALL
                found.append(several)
        return found

    def close(self) -> None:
        self._source.close()


class LevelDBSnapshot(LevelDBReader):
    """A use of a snapshot that others may read too; while there is one, the database is not opened again."""

    _held: Held | None = None

    def __init__(self, shared: SharedSnapshot) -> None:
        self._held = held = shared.take()
        self._shared = shared
        self._source = held.source

    def close(self) -> None:
        held, self._held = self._held, None
        if held is not None:
            self._source = _Closed()
            self._shared.give_back(held)

    def __del__(self) -> None:
        self.close()


class _Closed:
    """Stands for the source of a reader that is closed; it fails as plyvel's own do."""

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(f"{name} of a closed reader")


def _last_before(entries: Any, stop: bytes) -> tuple[bytes, bytes]:
    """Return the last entry before a key; there is one."""
    entries.seek(stop)
    if entries.valid():
        entries.prev()
    else:
        entries.seek_to_last()
    return entries.key(), entries.value()

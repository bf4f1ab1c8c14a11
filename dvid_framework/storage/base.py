"""The contract of stores and of the engines that open them."""

from __future__ import annotations

import enum
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, TypeAlias

from dvid_framework.storage.batch import Batch

__all__ = ["UNBOUNDED", "Capability", "Found", "Reader", "Store", "StoreEngine"]


Found: TypeAlias = tuple[bytes, bytes] | list[bytes] | None
"""The only key of a range and its value, all keys of a range, or nothing."""
UNBOUNDED = 1 << 62
"""More bytes than there are."""


class Capability(enum.Flag):
    """What a store can do; a datatype says what it needs, and the core checks it when an instance is made."""

    ORDERED = enum.auto()
    """Scans come in byte order of keys."""
    ATOMIC_BATCHES = enum.auto()
    """`write` applies a whole batch or none of it, also when the process dies."""
    SNAPSHOTS = enum.auto()
    """`snapshot` sees one state of the store, whatever is written meanwhile."""
    DURABLE = enum.auto()
    """What `sync` returned for survives a power loss."""
    WRITABLE = enum.auto()
    """The store accepts writes."""
    GRID = enum.auto()
    """It is no store of keys but a volume of voxels to read; see `GridEngine`."""


class Reader(ABC):
    """Reads of an ordered store, or of a snapshot of one."""

    @abstractmethod
    def get(self, key: bytes) -> bytes | None:
        """Return the value of key, or None."""

    def multi_get(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """Return the values of keys, in their order; None where there is none."""
        return [self.get(key) for key in keys]

    @abstractmethod
    def scan(self, start: bytes, stop: bytes, *, reverse: bool = False) -> Iterator[tuple[bytes, bytes]]:
        """Yield (key, value) with start <= key < stop in byte order, or backwards."""

    @abstractmethod
    def scan_keys(self, start: bytes, stop: bytes, *, reverse: bool = False) -> Iterator[bytes]:
        """Yield the keys with start <= key < stop in byte order, or backwards."""

    def last(self, start: bytes, stop: bytes) -> tuple[bytes, bytes] | None:
        """Return the last (key, value) with start <= key < stop; None without any."""
        return next(iter(self.scan(start, stop, reverse=True)), None)

    def find_each(self, ranges: Iterable[tuple[bytes, bytes]]) -> Iterator[tuple[list[bytes], bytes | None]]:
        """For each (start, stop) yield the keys in between, in order, and the value of the first of them.

        Meant for many ranges that hold one key or a few: most readers then need that one value. Ranges in byte order
        are found quicker.
        """
        for start, stop in ranges:
            found = list(self.scan_keys(start, stop))
            yield found, self.get(found[0]) if found else None

    def find_all(self, starts: Sequence[bytes], tail: bytes, most_bytes: int | None = None) -> list[Found]:
        """Return for each start what keys there are with start <= key < start + tail.

        Args:
            starts: in byte order, each once, none the beginning of another.
            tail: what is behind the start at most.
            most_bytes: bytes of values before which it ends: with less than all starts, if there are more.

        Returns:
            (key, value) where there is one key, a list of the keys where there are several, None where there is none.
        """
        found: list[Found] = []
        room = UNBOUNDED if most_bytes is None else most_bytes
        for keys, value in self.find_each([(start, start + tail) for start in starts]):
            room -= len(value or b"")
            if room < 0:
                break
            found.append(keys if len(keys) > 1 else (keys[0], value) if keys and value is not None else None)
        return found

    @abstractmethod
    def close(self) -> None:
        """Release what the reader holds; closing twice is harmless."""


class Store(Reader):
    """Ordered bytes to bytes.

    Safe to use from several threads. Errors of the medium are raised as `StorageError` (`StoreFull` where no space is
    left, `CorruptValue` where stored bytes are damaged).
    """

    capabilities: ClassVar[Capability]

    @abstractmethod
    def write(self, batch: Batch) -> None:
        """Apply a batch; when this returns, it survives the death of the process."""

    @abstractmethod
    def sync(self) -> None:
        """Return when all that was written before the call survives a power loss."""

    @abstractmethod
    def snapshot(self) -> Reader:
        """Return a reader of the present state. The caller closes it."""

    def heal(self) -> None:
        """Try to take writes again if one has failed; the core calls this twice a second, and it must not raise."""

    def landmark(self) -> str:
        """Return a text, without line breaks, of what is durable of the store's own files; see `check_landmark`."""
        return ""

    def approximate_bytes(self, start: bytes, stop: bytes) -> int:
        """Return about how many bytes the keys from start to stop (excluded) and their values take."""
        return sum(len(key) + len(value) for key, value in self.scan(start, stop))


class StoreEngine(ABC):
    """Opens, checks and repairs the stores of one kind.

    Attributes:
        name: what the configuration calls it, such as `leveldb`.
        capabilities: what its stores can do.
    """

    name: ClassVar[str]
    capabilities: ClassVar[Capability]

    @abstractmethod
    def open(self, path: Path, options: Mapping[str, Any]) -> Store:
        """Open the store at path, making it if it is not there.

        Raises:
            StoreInUse: somebody else has it open.
            CorruptValue: it is damaged; the message says what to do.
        """

    def check(self, path: Path, options: Mapping[str, Any]) -> list[str]:
        """Read everything and return a sentence for each damage found. The store must not be open."""
        store = self.open(path, options)
        try:
            for _ in store.scan(b"", b"\xff" * 64):
                pass
        finally:
            store.close()
        return []

    def check_landmark(self, path: Path, landmark: str) -> None:
        """Look for files that were durable and are shorter now, or gone, before the store is opened.

        Args:
            path: where the store is.
            landmark: what `Store.landmark` told last.

        Raises:
            CorruptValue: there are such files.
        """
        del path, landmark

    def cut_torn_tail(self, path: Path, durable: int, options: Mapping[str, Any]) -> bool:
        """Remove what a power cut tore at the end of a store, if no mutation up to `durable` is lost by it.

        Returns:
            Whether something was removed, so that opening is worth another try.
        """
        del path, durable, options
        return False

    def repair(self, path: Path, options: Mapping[str, Any]) -> list[str]:
        """Bring a damaged store back to where it opens; returns what was done. Never called by the server itself."""
        del path, options
        return [f"stores of the engine {self.name} have no repair"]

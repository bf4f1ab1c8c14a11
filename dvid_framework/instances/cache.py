"""Values in memory that were read and decoded before, for all instances of a server together."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable, Iterable, Sequence
from typing import TypeAlias

__all__ = ["CACHE_BYTES", "ValueCache"]

CACHE_BYTES = 256 << 20
_OVERHEAD = 256  # bytes that an entry takes beside its value
_Key: TypeAlias = Hashable


class ValueCache:
    """Bytes by key, each true of one epoch of its version (`View.epoch`); the least recently used ones make room.

    A key names the instance, the version and what the value is. An entry is found only in the epoch in which it was
    put: a write to the version or to one of its ancestors, whoever made it, leaves everything before it unfound.

    Args:
        limit: bytes that all values may take together.
    """

    def __init__(self, limit: int = CACHE_BYTES) -> None:
        self.limit = limit
        self._held = 0
        self._entries: OrderedDict[_Key, tuple[int, bytes | None]] = OrderedDict()
        self._lock = threading.Lock()

    def find(self, keys: Iterable[_Key], epoch: int) -> list[tuple[bytes | None] | None]:
        """Return for each key its value in a tuple of one, or None where none is known; a value may be None itself."""
        entries = self._entries
        found: list[tuple[bytes | None] | None] = []
        with self._lock:
            for key in keys:
                entry = entries.get(key)
                if entry is None or entry[0] != epoch:
                    found.append(None)
                else:
                    entries.move_to_end(key)
                    found.append((entry[1],))
        return found

    def put(self, keys: Sequence[_Key], values: Sequence[bytes | None], epoch: int) -> None:
        """Keep values that were read in an epoch."""
        with self._lock:
            for key, value in zip(keys, values, strict=True):
                former = self._entries.pop(key, None)
                if former is not None:
                    self._held -= _size(former[1])
                self._entries[key] = (epoch, value)
                self._held += _size(value)
            while self._held > self.limit and self._entries:
                _, (_, oldest) = self._entries.popitem(last=False)
                self._held -= _size(oldest)

    @property
    def held(self) -> int:
        """Bytes that the values take now."""
        return self._held


def _size(value: bytes | None) -> int:
    return _OVERHEAD + (0 if value is None else len(value))

"""Stored chunks of mappings in memory, of all labelmaps of a server together."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from dvid_framework.api import BadRequest

__all__ = ["CACHE_BYTES", "CachedChunks", "ChunkCache", "cache_of"]

CACHE_BYTES = 512 << 20
"""What the cache of a server holds where its configuration says nothing: 100 million entries."""

_OVERHEAD = 160  # bytes that a chunk takes beside its own


class CachedChunks:
    """The chunks of one run that are in memory; others are None. Who reads one marks it as used."""

    __slots__ = ("used", "values")

    def __init__(self, count: int) -> None:
        self.values: list[bytes | None] = [None] * count
        self.used = np.zeros(count, bool)


class ChunkCache:
    """Keeps what was read, up to a number of bytes; what was not used since it was last looked at makes room.

    Args:
        limit: bytes that all chunks may take together.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.held = 0
        self._queue: deque[tuple[CachedChunks, int]] = deque()
        self._lock = threading.Lock()

    def put(self, run: CachedChunks, numbers: Sequence[int], values: Sequence[bytes]) -> None:
        """Keep chunks of a run."""
        with self._lock:
            for number, value in zip(numbers, values, strict=True):
                if run.values[number] is None:
                    run.values[number] = value
                    self.held += len(value) + _OVERHEAD
                    self._queue.append((run, number))
            while self.held > self.limit and self._queue:
                self._take_one()

    def _take_one(self) -> None:
        run, number = self._queue.popleft()
        value = run.values[number]
        if value is None:  # let go with its run
            return
        if run.used[number]:
            run.used[number] = False
            self._queue.append((run, number))
            return
        run.values[number] = None
        self.held -= len(value) + _OVERHEAD

    def let_go(self, run: CachedChunks) -> None:
        """Give up all chunks of a run that is no more."""
        with self._lock:
            self.held -= sum(len(value) + _OVERHEAD for value in run.values if value is not None)
            run.values = [None] * len(run.values)
            self._queue = deque(entry for entry in self._queue if entry[0] is not run)


def cache_of(options: Mapping[str, Any]) -> ChunkCache:
    """Make the cache of a server.

    Args:
        options: those of the plugin: `mapping_cache_bytes`.

    Raises:
        BadRequest: that is no number of bytes.
    """
    limit = options.get("mapping_cache_bytes", CACHE_BYTES)
    if not isinstance(limit, int) or isinstance(limit, bool) or limit < 0:
        raise BadRequest("[plugin.labelmap] mapping_cache_bytes must be a number of bytes, 0 or more")
    return ChunkCache(limit)

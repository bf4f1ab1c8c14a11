"""Regions that were read lately."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable

from dvid_roi.region import Region

__all__ = ["RegionCache"]


class RegionCache:
    """Keeps the regions of an instance's versions in memory, as many as its bytes hold, until the instance changes.

    Args:
        most_bytes: how much it may hold; a larger region is never kept.
    """

    def __init__(self, most_bytes: int = 64 << 20) -> None:
        self._most = most_bytes
        self._held = 0
        self._changes = 0
        self._lock = threading.Lock()
        self._regions: OrderedDict[int, Region] = OrderedDict()

    def clear(self) -> None:
        """Forget all: call it when a mutation is written."""
        with self._lock:
            self._changes += 1
            self._regions.clear()
            self._held = 0

    def find(self, version: int) -> Region | None:
        """Return the region of a version if it is in memory."""
        with self._lock:
            known = self._regions.get(version)
            if known is not None:
                self._regions.move_to_end(version)
            return known

    def get(self, version: int, read: Callable[[], Region]) -> Region:
        """Return the region of a version; `read` reads it from one state of the store that is taken in the call.

        What was read while a mutation was written may be its state before, so it is not kept.
        """
        with self._lock:
            before, known = self._changes, self._regions.get(version)
            if known is not None:
                self._regions.move_to_end(version)
                return known
        region = read()
        with self._lock:
            if self._changes == before and version not in self._regions and region.nbytes <= self._most:
                self._regions[version] = region
                self._held += region.nbytes
                while self._held > self._most:
                    self._held -= self._regions.popitem(last=False)[1].nbytes
        return region

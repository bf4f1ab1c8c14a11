"""The mutation ids of a repo: one counter, saved ahead in strides, so that ids are unique across restarts."""

from __future__ import annotations

import threading

from dvid_framework.storage import keys
from dvid_framework.storage.base import Store
from dvid_framework.storage.batch import Batch
from dvid_framework.storage.envelope import open_value, seal_value

__all__ = ["FIRST_MUTATION_ID", "MutationIds"]

FIRST_MUTATION_ID = 1_000_000_000
_STRIDE = 100


class MutationIds:
    """Hands out increasing ids. After a restart it goes on at the saved value, so gaps are usual."""

    def __init__(self, store: Store, repo: int, first: int = FIRST_MUTATION_ID) -> None:
        self._store = store
        self._key = keys.metadata_key(b"mutation-id", repo)
        self._lock = threading.Lock()
        stored = store.get(self._key)
        start = first if stored is None else int.from_bytes(open_value(self._key, stored), "big")
        self._next = max(start, first)
        self._saved = self._next

    @property
    def state(self) -> tuple[int, int]:
        """The next id, and the one at which a restart would go on."""
        with self._lock:
            return self._next, self._saved if self._next < self._saved else self._next + _STRIDE

    def take(self) -> int:
        """Return a new id. Written before the mutation that uses it, it can't be lost while that one is kept."""
        with self._lock:
            if self._next >= self._saved:
                saved = self._next + _STRIDE
                batch = Batch()
                batch.put(self._key, seal_value(self._key, saved.to_bytes(8, "big")))
                self._store.write(batch)
                self._store.sync()  # the mutation may be in another store, whose sync does not serve this one
                self._saved = saved
            number = self._next
            self._next += 1
            return number

"""The mutation ids of a repo: one counter, saved ahead in strides, so that ids are unique across restarts."""

from __future__ import annotations

import contextlib
import threading

from dvid_framework.errors import StorageError
from dvid_framework.storage import keys
from dvid_framework.storage.base import Store
from dvid_framework.storage.batch import Batch
from dvid_framework.storage.envelope import open_value, seal_value

__all__ = ["FIRST_MUTATION_ID", "MutationIds"]

FIRST_MUTATION_ID = 1_000_000_000
_STRIDE = 100


class MutationIds:
    """Hands out increasing ids. After a restart it goes on at the saved value, so gaps are usual.

    The saved value is raised long before it is reached, in a thread of its own, so that nobody waits for the disk.
    """

    def __init__(self, store: Store, repo: int, first: int = FIRST_MUTATION_ID) -> None:
        self._store = store
        self._key = keys.metadata_key(b"mutation-id", repo)
        self._lock = threading.Lock()
        stored = store.get(self._key)
        start = first if stored is None else int.from_bytes(open_value(self._key, stored), "big")
        self._next = max(start, first)
        self._saved = self._next
        self._saving = threading.Lock()
        self._prepared = False

    @property
    def state(self) -> tuple[int, int]:
        """The next id, and the one at which a restart would go on."""
        with self._lock:
            return self._next, self._saved if self._next < self._saved else self._next + _STRIDE

    def prepare(self) -> None:
        """See to it that the first ids can soon be taken without a wait for the disk."""
        with self._lock:
            needed = self._next >= self._saved and not self._prepared
            self._prepared = True
        if needed:
            self._save_beside()

    def _save_beside(self) -> None:
        threading.Thread(target=self._save_ahead, name="mutation-ids", daemon=True).start()

    def _put(self, batch: Batch, saved: int) -> None:
        batch.put(self._key, seal_value(self._key, saved.to_bytes(8, "big")))

    def _save(self) -> None:
        """Raise the saved value; the mutations may be in another store, whose sync does not serve this one."""
        with self._saving:
            with self._lock:
                saved, enough = self._saved + _STRIDE, self._saved - self._next > _STRIDE // 2
            if enough:
                return  # somebody else has done it
            batch = Batch()
            self._put(batch, saved)
            self._store.write(batch)
            self._store.sync()
            with self._lock:
                self._saved = saved

    def _save_ahead(self) -> None:
        with contextlib.suppress(StorageError):  # told to who needs an id
            self._save()

    def take(self) -> int:
        """Return a new id. Written before the mutation that uses it, it can't be lost while that one is kept."""
        while True:
            with self._lock:
                if self._next < self._saved:
                    number = self._next
                    self._next += 1
                    ahead = self._saved - self._next == _STRIDE // 2
                    break
            self._save()
        if ahead:
            self._save_beside()
        return number

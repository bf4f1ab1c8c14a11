"""One snapshot for all who read between two writes: a small read then costs a lock, and not a snapshot of its own."""

from __future__ import annotations

import threading
from typing import Any

from dvid_framework.storage.embedded_database import Database

__all__ = ["Held", "SharedSnapshot"]


class Held:
    """A snapshot of the driver's database, and how many read from it."""

    __slots__ = ("_database", "source", "users")

    def __init__(self, database: Database) -> None:
        opened = database.enter()
        try:
            self.source: Any = opened.snapshot()
        except BaseException:
            database.leave()
            raise
        self._database = database
        self.users = 0

    def close(self) -> None:
        """Release it; the database may be closed or opened again after that."""
        self.source.close()
        self._database.leave()


class SharedSnapshot:
    """The snapshot of the present state, taken by the first who asks after a write.

    Without a reader it stays until the next write, so that it holds back nothing that LevelDB would drop.

    Args:
        database: what is read.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.RLock()  # the garbage collector may give one back at any place
        self._present: Held | None = None
        self._keeping = True

    def take(self) -> Held:
        """Return the snapshot of the present state; `give_back` ends its use.

        Raises:
            StorageError: the database is closed, or about to be opened again.
        """
        with self._lock:
            held = self._present
            if held is None:
                held = Held(self._database)
                if self._keeping:
                    self._present = held
            held.users += 1
            return held

    def give_back(self, held: Held) -> None:
        """End one use."""
        with self._lock:
            held.users -= 1
            if held.users or held is self._present:
                return
        held.close()

    def renew(self, keep: bool = True) -> None:
        """Give the snapshot to nobody any more: something was written.

        Args:
            keep: whether those to come may stay when nobody reads; not where the database shall be closed.
        """
        with self._lock:
            held, self._present, self._keeping = self._present, None, keep
            if held is None or held.users:
                return
        held.close()

"""One follower's way through the mutation log of one store: what it has taken in, what waits, and what went wrong."""

from __future__ import annotations

import math
import time
from collections import deque
from dataclasses import dataclass, field

from dvid_framework.storage import keys
from dvid_framework.storage.base import Store
from dvid_framework.storage.batch import Batch
from dvid_framework.storage.envelope import open_value, seal_value
from dvid_framework.storage.log import CommitLog
from dvid_framework.versions.record import Mutation

__all__ = ["Pursuit", "delete_cursor", "put_cursor", "read_cursor"]

MOST_PENDING = 1000
_LONGEST_PAUSE = 30.0


def _cursor_key(follower: int, leader: int) -> bytes:
    return keys.cursor_key(f"sync:{follower}:{leader}")


def put_cursor(batch: Batch, follower: int, leader: int, number: int) -> None:
    """Add to a batch that a follower has taken in the leader's mutations up to a number."""
    key = _cursor_key(follower, leader)
    batch.put(key, seal_value(key, number.to_bytes(8, "big")))


def delete_cursor(batch: Batch, follower: int, leader: int) -> None:
    """Add to a batch that a follower follows no more."""
    batch.delete(_cursor_key(follower, leader))


def read_cursor(store: Store, follower: int, leader: int) -> int:
    """Return the number up to which a follower has taken in a leader's mutations."""
    key = _cursor_key(follower, leader)
    sealed = store.get(key)
    return 0 if sealed is None else int.from_bytes(open_value(key, sealed), "big")


@dataclass(slots=True, eq=False)
class Pursuit:
    """A follower of instances whose data is in one store. Its fields change under the lock of `Syncs` alone.

    Attributes:
        repo: id of the repo.
        follower: id of the instance that follows.
        store: the store of the follower's data and cursors.
        alias: that of the store of the leaders.
        log: the log that is followed.
        leaders: by the id of each followed instance the number of its last mutation that is taken in.
        position: everything up to here is taken in.
        live: whether `pending` has all that comes after; else the log is read from `position` on.
        pending: mutations to take in, in order.
        active: whether a thread is at it.
        error: why the first one could not be taken in; empty if nothing is wrong.
        failed_at: its number.
        not_before: the time (monotonic) of the next try.
        turn: grows when it begins to read the log anew.
    """

    repo: int
    follower: int
    store: Store
    alias: str
    log: CommitLog
    leaders: dict[int, int] = field(default_factory=dict)
    position: int = 0
    live: bool = False
    pending: deque[Mutation] = field(default_factory=deque)
    active: bool = False
    error: str = ""
    failed_at: int = 0
    attempts: int = 0
    not_before: float = 0.0
    saved: int = 0
    turn: int = 0

    @property
    def idle(self) -> bool:
        """Whether nothing waits."""
        return self.live and not self.pending

    def lag_behind(self) -> None:
        """Go on by reading the log; those that are pending are read again."""
        self.live = False
        self.turn += 1
        self.pending.clear()
        self.position = min(self.leaders.values(), default=self.position)

    def offer(self, mutation: Mutation) -> None:
        """Queue a mutation that has been read."""
        if self.live and mutation.number > self.position:
            if len(self.pending) >= MOST_PENDING:
                self.lag_behind()
            else:
                self.pending.append(mutation)

    def wants(self, mutation: Mutation) -> bool:
        """Tell whether a mutation is one of a leader that is not taken in yet, and was not caused by the follower."""
        known = self.leaders.get(mutation.instance, math.inf)
        return mutation.number > known and self.follower not in mutation.through

    def took(self, mutation: Mutation, turn: int) -> None:
        """Note that a mutation is taken in, one that was got in a turn."""
        if mutation.instance in self.leaders:
            self.leaders[mutation.instance] = max(self.leaders[mutation.instance], mutation.number)
        if turn == self.turn:
            self.position = max(self.position, mutation.number)
        self.error, self.attempts, self.not_before = "", 0, 0.0
        if self.pending and self.pending[0] is mutation:
            self.pending.popleft()

    def failed(self, number: int, error: str) -> None:
        """Set it aside for a while."""
        self.attempts += 1
        self.error, self.failed_at = error, number
        self.not_before = time.monotonic() + min(2.0 ** (self.attempts - 1), _LONGEST_PAUSE)

    def save(self) -> None:
        """Keep the place of a pursuit that has nothing to do, so that a restart has little to read."""
        batch = Batch()
        for leader in self.leaders:
            put_cursor(batch, self.follower, leader, self.position)
            self.leaders[leader] = max(self.leaders[leader], self.position)
        self.store.write(batch)
        self.saved = self.position

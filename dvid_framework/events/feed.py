"""Followers of the mutation log: each has a durable cursor and sees every mutation, in order, at least once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import msgspec
import structlog

from dvid_framework.storage import keys
from dvid_framework.storage.batch import Batch
from dvid_framework.storage.envelope import open_value, seal_value
from dvid_framework.storage.log import CommitLog
from dvid_framework.versions.record import Mutation

__all__ = ["BatchFollower", "Follower", "decode_mutation"]

_log = structlog.get_logger("dvid.feed")
_SAVE_EVERY = 256
_RETRY_SECONDS = 5.0
_BATCH = 1000
_decode = msgspec.msgpack.Decoder(Mutation).decode


def decode_mutation(number: int, record: bytes) -> Mutation:
    """Return a mutation record with its number."""
    return msgspec.structs.replace(_decode(record), number=number)


class Follower:
    """Calls a function for each mutation of a store, in order, in a thread of its own.

    The cursor is saved after the call, so after a crash the last mutations come again: be idempotent by their number. A
    function that raises is called again for the same mutation five seconds later.

    Args:
        log: the commit log to follow.
        name: name of the cursor; empty for one that is not kept.
        receive: what to call.
        start: where to begin if there is no cursor: the number of the last mutation to skip.
    """

    def __init__(self, log: CommitLog, name: str, receive: Callable[[Mutation], None], start: int = 0) -> None:
        self._log = log
        self._name = name
        self._receive = receive
        self.error = ""
        self._saved = self._saved_cursor()
        # A cursor beyond the end is one of a store that was restored from an older copy.
        self.cursor = min(start if self._saved is None else self._saved, log.written)
        self._stop = threading.Event()
        self._moved = threading.Condition()
        self._save()  # now, so that what comes before the first save is not skipped after a crash
        self._thread = threading.Thread(target=self._follow, name=f"follower-{name}", daemon=True)
        self._thread.start()

    def _saved_cursor(self) -> int | None:
        if not self._name:
            return None
        key = keys.cursor_key(self._name)
        sealed = self._log.store.get(key)
        return None if sealed is None else int.from_bytes(open_value(key, sealed), "big")

    def _save(self) -> None:
        if self._name and self.cursor != self._saved:
            key, batch = keys.cursor_key(self._name), Batch()
            batch.put(key, seal_value(key, self.cursor.to_bytes(8, "big")))
            self._log.store.write(batch)
            self._saved = self.cursor

    def _follow(self) -> None:
        while not self._stop.is_set():
            self._log.wait(self.cursor, 0.5)
            try:
                self._follow_up()
            except Exception as error:  # noqa: BLE001 - whatever fails here must neither end the thread nor be lost
                self._failed(error, self.cursor)

    def _follow_up(self) -> None:
        """Deliver what is synced by now."""
        for number, record in self._log.read(self.cursor):
            if not self._deliver(decode_mutation(number, record)):
                return
            if number - (self._saved or 0) >= _SAVE_EVERY:
                self._save()
        self._save()

    def _failed(self, error: Exception, number: int) -> None:
        """Keep and log an error, and wait before the next try."""
        self.error = f"{type(error).__name__}: {error}"
        _log.error("follower failed", follower=self._name, mutation=number, error=self.error)
        self._stop.wait(_RETRY_SECONDS)

    def _deliver(self, mutation: Mutation) -> bool:
        """Call until it succeeds; False when the follower is to stop."""
        while not self._stop.is_set():
            try:
                self._receive(mutation)
            except Exception as error:  # noqa: BLE001 - a follower's fault must not stop the others, nor be lost
                self._failed(error, mutation.number)
                continue
            self._received(mutation.number)
            return True
        return False

    def _received(self, number: int) -> None:
        self.error = ""
        with self._moved:
            self.cursor = number
            self._moved.notify_all()

    def wait_for(self, number: int, timeout: float) -> bool:
        """Wait until the mutation of this number has been received; False if it takes longer than timeout seconds."""
        with self._moved:
            return self._moved.wait_for(lambda: self.cursor >= number, timeout)

    def stop(self) -> None:
        """End after the mutation in hand, and save the cursor."""
        self._stop.set()
        self._thread.join()
        self._save()


class BatchFollower(Follower):
    """Calls a function for some hundred mutations at a time, for whom waiting after each one would be slow.

    The cursor moves when the call returns; one that raises is called again five seconds later, from the same place on.
    Then with one mutation, and with more again as that succeeds: what can't be received has no others repeated with it.

    Args:
        log: the commit log to follow.
        name: name of the cursor.
        receive_all: what to call with the mutations, in order.
        start: where to begin if there is no cursor.
    """

    def __init__(
        self, log: CommitLog, name: str, receive_all: Callable[[Iterator[Mutation]], None], start: int = 0
    ) -> None:
        self._receive_all = receive_all
        self._most = _BATCH
        super().__init__(log, name, lambda mutation: receive_all(iter((mutation,))), start)

    def _follow_up(self) -> None:
        while not self._stop.is_set():
            records = self._log.read(self.cursor, self._most)
            if not records:
                return
            most, self._most = self._most, 1
            self._receive_all(decode_mutation(number, record) for number, record in records)
            self._most = min(2 * most, _BATCH)
            self._received(records[-1][0])
            self._save()

"""Syncs: instances that follow others. Each takes in their mutations from the log, in order and exactly once in effect.

What a follower changes for a mutation and its place in the log are one unit, so a crash neither loses nor repeats
anything. A reader thread for each followed log hands records to the followers' threads; a follower that is far behind,
or was set aside because it raised, reads the log itself.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice

import msgspec
import structlog

from dvid_framework.errors import BadRequest, DvidError, StorageError
from dvid_framework.events.feed import decode_mutation
from dvid_framework.events.pursuit import Pursuit, put_cursor, read_cursor
from dvid_framework.instances.instance import Instance
from dvid_framework.instances.registry import Instances
from dvid_framework.storage.base import Store
from dvid_framework.storage.batch import Batch
from dvid_framework.storage.log import CommitLog
from dvid_framework.storage.stores import Stores
from dvid_framework.versions.record import InstanceRecord, Mutation
from dvid_framework.versions.repos import Repos

__all__ = ["Syncs"]

_log = structlog.get_logger("dvid.syncs")
_SLICE = 200  # mutations that one follower takes in before others get the thread
_SAVE_EVERY = 1000
_IDLE_SECONDS = 0.5


class _Head(msgspec.Struct):
    """Whose mutation a record is."""

    instance: int = 0


_head = msgspec.msgpack.Decoder(_Head).decode


class Syncs:
    """The followers of a server.

    Args:
        stores: all stores.
        repos: all repos.
        instances: the registry.
        threads: how many followers are at work at a time.
        told: called for each mutation that a follower took in, or failed at, with seconds and the error.
    """

    def __init__(
        self,
        stores: Stores,
        repos: Repos,
        instances: Instances,
        threads: int = 4,
        told: Callable[[Mutation, float, str], None] | None = None,
    ) -> None:
        self._stores = stores
        self._repos = repos
        self._instances = instances
        self._told = told
        self._moved = threading.Condition()
        self._pursuits: dict[tuple[int, str], Pursuit] = {}
        self._followers: dict[tuple[str, int], list[Pursuit]] = {}  # by store and leader
        self._unsettled: dict[int, int] = {}  # repos of the instances whose record could not be taken in, by instance
        self._positions: dict[str, int] = {}  # of the readers, by store
        self._readers: list[threading.Thread] = []
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="sync")
        self._running = False
        self._stopping = threading.Event()

    def __iter__(self) -> Iterator[Pursuit]:
        with self._moved:
            return iter(list(self._pursuits.values()))

    # -- life

    def run(self) -> None:
        """Begin to follow what the instances' records say."""
        with self._moved:
            self._running = True
        for repo in self._repos:
            for record in list(repo.instances.values()):
                if record.follows:
                    self.follow(record)

    def stop(self) -> None:
        """End after the mutations in hand; what is left is taken in after the next start."""
        self._stopping.set()
        for reader in self._readers:
            reader.join()
        self._pool.shutdown()
        for pursuit in self:
            if pursuit.idle and pursuit.position > pursuit.saved:
                pursuit.save()

    # -- who follows whom

    def follow(self, record: InstanceRecord) -> None:
        """Take in what a record says of what its instance follows: new leaders, and those that it follows no more."""
        if not self._running or not self._takes_part(record):
            return
        try:
            self._follow(record)
        except StorageError:
            with self._moved:
                self._unsettled[record.id] = record.repo  # the store is out of order: a reader tries it again
            raise

    def _follow(self, record: InstanceRecord) -> None:
        repo = self._repos.by_id(record.repo)
        leaders = [other for other in list(repo.instances.values()) if other.data_uuid in record.follows]
        with self._moved:
            try:
                self._follow_leaders(record, leaders, self._stores.log(record.store).store)
                self._unsettled.pop(record.id, None)
            finally:
                self._index()

    def _follow_leaders(self, record: InstanceRecord, leaders: list[InstanceRecord], store: Store) -> None:
        """Have exactly these leaders from now on; holding the lock."""
        for pursuit in self._pursuits.values():
            if pursuit.follower == record.id:
                gone = pursuit.leaders.keys() - {other.id for other in leaders}
                pursuit.leaders = {number: at for number, at in pursuit.leaders.items() if number not in gone}
        for other in leaders:
            log = self._stores.log(other.store)
            self._read(other.store, log)
            place = (record.id, other.store)
            pursuit = self._pursuits.get(place) or Pursuit(record.repo, record.id, store, other.store, log)
            self._pursuits[place] = pursuit
            if other.id not in pursuit.leaders:
                if pursuit.idle:
                    pursuit.save()  # so that it has nothing to read again but for the new leader
                pursuit.leaders[other.id] = read_cursor(store, record.id, other.id)
                pursuit.lag_behind()
            self._schedule(pursuit)

    def _takes_part(self, record: InstanceRecord) -> bool:
        """Tell whether events mean anything to an instance; some types only need to know whom they are synced with."""
        datatype = self._instances.datatypes.get(record.type_name)
        return datatype is None or datatype.instance.on_event is not Instance.on_event

    def forget(self, instance: int) -> None:
        """Follow nothing with, and nothing of, an instance that is deleted."""
        with self._moved:
            for pursuit in self._pursuits.values():
                gone = pursuit.leaders if pursuit.follower == instance else {instance}
                pursuit.leaders = {number: at for number, at in pursuit.leaders.items() if number not in gone}
            self._index()

    def _index(self) -> None:
        """Drop pursuits of nobody, and note who follows whom; holding the lock."""
        self._pursuits = {place: pursuit for place, pursuit in self._pursuits.items() if pursuit.leaders}
        self._followers = {}
        for (_, alias), pursuit in self._pursuits.items():
            for leader in pursuit.leaders:
                self._followers.setdefault((alias, leader), []).append(pursuit)
        self._moved.notify_all()

    # -- how far they are

    def targets(self, follower: int) -> list[tuple[Pursuit, int]]:
        """Return the pursuits of a follower, each with the number of the last mutation of its leaders by now."""
        with self._moved:
            mine = [pursuit for (number, _), pursuit in self._pursuits.items() if number == follower]
            return [(pursuit, max(map(pursuit.log.last_of, pursuit.leaders))) for pursuit in mine]

    def has_reached(self, pursuit: Pursuit, number: int) -> bool:
        """Tell whether a follower has taken in all mutations up to a number."""
        with self._moved:
            return self.reached(pursuit) >= number

    def reached(self, pursuit: Pursuit) -> int:
        """Return the number up to which a follower has taken in everything."""
        return max(pursuit.position, self._positions[pursuit.alias]) if pursuit.idle else pursuit.position

    def wait(self, seconds: float) -> None:
        """Wait until any follower has moved, or for some seconds."""
        with self._moved:
            self._moved.wait(seconds)

    # -- reading the logs

    def _read(self, alias: str, log: CommitLog) -> None:
        """See that a log is read, from its present end on; followers that are behind read what came before."""
        if alias not in self._positions:
            self._positions[alias] = log.synced
            reader = threading.Thread(target=self._read_on, args=(alias, log), name=f"sync-{alias}", daemon=True)
            self._readers.append(reader)
            reader.start()

    def _read_on(self, alias: str, log: CommitLog) -> None:
        position = self._positions[alias]
        while not self._stopping.is_set():
            log.wait(position, _IDLE_SECONDS)
            try:
                for number, record in log.read(position):
                    self._hand_out(alias, number, record)
                    position = number
                self._look_after(alias)
            except DvidError as error:
                _log.error("the log can't be read", store=alias, after=position, error=error.message)
                self._stopping.wait(_IDLE_SECONDS)

    def _hand_out(self, alias: str, number: int, record: bytes) -> None:
        instance = _head(record).instance
        with self._moved:
            wanting = self._followers.get((alias, instance), ())
            if wanting:
                mutation = decode_mutation(number, record)
                for pursuit in wanting:
                    pursuit.offer(mutation)
            self._positions[alias] = number
            for pursuit in wanting:
                self._schedule(pursuit)

    def _look_after(self, alias: str) -> None:
        """Keep the places of those that have nothing to do, and try those again that were set aside."""
        with self._moved:
            at = self._positions[alias]
            for pursuit in self._pursuits.values():
                if pursuit.alias != alias:
                    continue
                if pursuit.idle:
                    pursuit.position = max(pursuit.position, at)
                    if pursuit.position - pursuit.saved >= _SAVE_EVERY:
                        pursuit.save()
                else:
                    self._schedule(pursuit)
            self._moved.notify_all()
            unsettled = list(self._unsettled.items())
        for number, repo in unsettled:
            self._settle(repo, number)

    def _settle(self, repo: int, number: int) -> None:
        """Try again to take in what a record says, which failed for the store's sake."""
        try:
            records = list(self._repos.by_id(repo).instances.values())
        except BadRequest:  # the repo is gone
            records = []
        record = next((record for record in records if record.id == number), None)
        if record is None:
            self._unsettled.pop(number, None)
            return
        with contextlib.suppress(StorageError):
            self._follow(record)

    # -- taking in

    def _schedule(self, pursuit: Pursuit) -> None:
        """Have a thread at a pursuit that has something to do; holding the lock."""
        if pursuit.active or pursuit.idle or self._stopping.is_set() or time.monotonic() < pursuit.not_before:
            return
        pursuit.active = True
        try:
            self._pool.submit(self._pursue, pursuit)
        except RuntimeError:  # the pool is shut down
            pursuit.active = False

    def _pursue(self, pursuit: Pursuit) -> None:
        number = pursuit.position
        try:
            for turn, mutation in islice(self._coming(pursuit), _SLICE):
                number = mutation.number
                self._take_in(pursuit, mutation, turn)
        except Exception as error:  # noqa: BLE001 - whatever a follower raises sets it aside and is named
            text = error.message if isinstance(error, DvidError) else f"{type(error).__name__}: {error}"
            _log.error("a follower was set aside", instance=pursuit.follower, mutation=number, error=text)
            with self._moved:
                pursuit.failed(number, text)
        finally:
            with self._moved:
                pursuit.active = False
                self._schedule(pursuit)
                self._moved.notify_all()

    def _coming(self, pursuit: Pursuit) -> Iterator[tuple[int, Mutation]]:
        """Yield what a pursuit has to look at, in order, with its turn: what is pending, or else what the log has."""
        while not self._stopping.is_set():
            with self._moved:
                live, turn, position = pursuit.live, pursuit.turn, pursuit.position
                mutation = pursuit.pending[0] if pursuit.pending else None
            if live:
                if mutation is None:
                    return
                yield turn, mutation
                continue
            for number, record in pursuit.log.read(position):
                if _head(record).instance in pursuit.leaders:
                    yield turn, decode_mutation(number, record)
                    if pursuit.turn != turn or self._stopping.is_set():
                        break
                position = number
            with self._moved:
                if pursuit.turn == turn:
                    pursuit.position = max(pursuit.position, position)
                    pursuit.live = position >= self._positions[pursuit.alias]

    def _take_in(self, pursuit: Pursuit, mutation: Mutation, turn: int) -> None:
        """Let the follower do its part, with its place in the log, as one unit."""
        if pursuit.wants(mutation):
            began, error = time.perf_counter(), "it failed"
            follower = self._instances.by_id(pursuit.repo, pursuit.follower)
            leader = self._instances.by_id(pursuit.repo, mutation.instance)
            try:
                with follower.lock, follower.begin_following(mutation) as txn:
                    follower.on_event(mutation, leader, txn)
                    if txn.touched:
                        cursor = Batch()
                        put_cursor(cursor, pursuit.follower, mutation.instance, mutation.number)
                        txn.extend(cursor)
                error = ""
            except DvidError as failure:
                error = failure.message
                raise
            finally:
                if self._told is not None:
                    self._told(mutation, time.perf_counter() - began, error)
        with self._moved:
            pursuit.took(mutation, turn)
            self._moved.notify_all()

"""Which tables are in memory: a few of the versions that were read lately, for all instances of a server.

A table is of one epoch of its version (`View.epoch`). A write tells the epoch in which it came and the one that it
made: where the version's table stands at the one, it is brought to the other. So nothing is read again after a write,
and whatever else changes what the version sees leaves the table behind, and it is not used any more.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from dataclasses import dataclass, field

from dvid_framework.api import View
from dvid_neuronjson.chunk import Chunk, chunks_of
from dvid_neuronjson.keys import NEURONS
from dvid_neuronjson.table import Changes, Table

__all__ = ["TABLE_BYTES", "Step", "Tables"]

TABLE_BYTES = 512 << 20
_MOST_PENDING = 10_000
_PATIENCE = 0.05  # seconds that a write may take from being visible to having told so
_Key = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Step:
    """A mutation of an instance.

    Attributes:
        before: the epoch of its version in which it came.
        number: its own number, which is the epoch after it.
        version: id of the version that was changed.
        final: whether that version has descendants, which then see other values as well.
        changes: the neurons that were written.
    """

    before: int
    number: int
    version: int
    final: bool
    changes: Changes


@dataclass(slots=True)
class _Entry:
    """A table, or what will be one.

    Attributes:
        epoch: of the version.
        table: None as long as it is read.
        pending: steps of the version that are to be taken in, by the epoch before them.
        ready: set once it was read, or could not be.
    """

    epoch: int
    table: Table | None = None
    pending: dict[int, Step] = field(default_factory=dict)
    ready: threading.Event = field(default_factory=threading.Event)

    def catch_up(self) -> None:
        """Take in the steps that follow one another from where it stands."""
        while self.table is not None and (step := self.pending.pop(self.epoch, None)) is not None:
            if step.changes:
                self.table = self.table.changed(step.changes)
            self.epoch = step.number


class Tables:
    """The tables of all instances of a server.

    Args:
        limit: bytes that all of them may take; a larger one is not kept.
    """

    def __init__(self, limit: int = TABLE_BYTES) -> None:
        self.limit = limit
        self._lock = threading.Lock()
        self._entries: OrderedDict[_Key, _Entry] = OrderedDict()
        self._too_large: set[_Key] = set()

    @property
    def held(self) -> int:
        """About how many bytes the tables take now."""
        with self._lock:
            return sum(entry.table.nbytes for entry in self._entries.values() if entry.table is not None)

    def find(self, instance: int, version: int, epoch: int) -> Table | None:
        """Return the table of a version in an epoch, if there is one; wait for one that is being read."""
        key = (instance, version)
        deadline = time.monotonic() + _PATIENCE
        while True:
            with self._lock:
                entry = self._entries.get(key)
                if entry is None:
                    return None
                if entry.table is not None and entry.epoch == epoch:
                    self._entries.move_to_end(key)
                    return entry.table
            if not entry.ready.is_set():
                entry.ready.wait()
            elif entry.epoch > epoch or time.monotonic() > deadline:
                return None
            else:
                time.sleep(0.0005)

    def is_too_large(self, instance: int, version: int) -> bool:
        """Tell whether the neurons of a version were found to be too many to be kept in memory."""
        return (instance, version) in self._too_large

    def read(self, instance: int, version: int, view: View) -> Table | None:
        """Read the table of a version and keep it.

        Args:
            instance: id of the instance.
            version: id of the version.
            view: one state of it, of a known epoch.

        Returns:
            The table of that state; None if it is too large to be kept.
        """
        assert view.epoch is not None
        key, entry = (instance, version), _Entry(view.epoch)
        with self._lock:
            former = self._entries.pop(key, None)
            self._entries[key] = entry
        if former is not None:
            former.ready.set()
        table = None
        try:
            table = self._read(view)
        finally:
            with self._lock:
                mine = self._entries.get(key) is entry
                if table is not None and mine:
                    entry.table = table
                    entry.catch_up()
                elif mine:
                    del self._entries[key]
            entry.ready.set()
        if table is None:
            self._too_large.add(key)
        self.shrink()
        return table

    def _read(self, view: View) -> Table | None:
        chunks: list[Chunk] = []
        size = 0
        for chunk in chunks_of(view, *NEURONS):
            chunks.append(chunk)
            size += chunk.nbytes
            if size > self.limit:
                return None
        return Table(chunks)

    def tell(self, instance: int, step: Step) -> None:
        """Bring the tables of an instance in step with a mutation that was written."""
        with self._lock:
            for key, entry in [item for item in self._entries.items() if item[0][0] == instance]:
                mine = key[1] == step.version
                if (step.final and not mine) or len(entry.pending) >= _MOST_PENDING:
                    del self._entries[key]
                elif mine and step.number > entry.epoch:  # what other versions see has not changed
                    entry.pending[step.before] = step
                    entry.catch_up()

    def shrink(self) -> None:
        """Let go of the tables that were not read for the longest time, until the rest is within the limit."""
        with self._lock:
            sizes = {key: entry.table.nbytes for key, entry in self._entries.items() if entry.table is not None}
            held = sum(sizes.values())
            for key, size in sizes.items():
                if held <= self.limit:
                    return
                del self._entries[key]
                held -= size

"""The mappings of an instance: runs that each version has of its own, and chains of them in memory.

Entries are never deleted. A version keeps its own entries as a few runs, later ones overriding earlier ones; a new run
takes in those before it that are no longer than itself, so that there are few however many mutations there were. What
is effective at a version is the chain of the runs along its first parents. Chains are made at first use, from the
store, and changed by committed mutations only; a counter in the store tells a view which chains are of its state.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from dvid_labels.types import Labels, Mapping

from dvid_framework.api import LZ4, CorruptValue, Txn, View
from dvid_labelmap.keys import MAPPING_HEAD, mapping_bounds, mapping_key
from dvid_labelmap.mapping_codec import PART_ENTRIES, count_entries, decode_part, encode_part
from dvid_labelmap.ops.chains import LONG_RUN, Chain, last_of_each, merged_runs

if TYPE_CHECKING:
    from dvid_labelmap.instance import LabelMapInstance

__all__ = ["Mappings", "own_runs"]

_CHAINS = 64  # kept at once; those of one line of versions share their arrays
_Chains = OrderedDict[int, Chain]


class _Slot(NamedTuple):
    """A stored run: how many parts and entries it has, and a short one itself."""

    parts: int
    entries: int
    run: Mapping | None = None


def own_runs(view: View, version: int) -> Iterator[Mapping]:
    """Yield the runs that a version has of its own, the earliest first.

    Raises:
        CorruptValue: stored bytes are damaged.
    """
    for slot in range(_run_count(view, version)):
        yield _stored_run(view, version, slot)


def _first_absent(is_there: Callable[[int], bool]) -> int:
    """Return the first number that is not there, of numbers that are there from 0 on without a gap."""
    low, high = 0, 1  # all below low are there
    while is_there(high - 1):
        low, high = high, 2 * high
    high -= 1
    while low < high:
        middle = (low + high) // 2
        low, high = (middle + 1, high) if is_there(middle) else (low, middle)
    return low


def _run_count(view: View, version: int) -> int:
    """Return how many runs a version has of its own, without a look at all of their parts."""
    return _first_absent(lambda slot: mapping_key(version, slot, 0) in view)


def _part_count(view: View, version: int, slot: int) -> int:
    return _first_absent(lambda part: mapping_key(version, slot, part) in view)


def _entry_count(view: View, version: int, slot: int, parts: int) -> int:
    """Return the number of entries of a run: all of its parts but the last are full."""
    last = view.get(mapping_key(version, slot, parts - 1))
    return (parts - 1) * PART_ENTRIES + (0 if last is None else count_entries(last))


def _stored_run(view: View, version: int, slot: int) -> Mapping:
    """Return one of the runs that a version has of its own; its parts are decoded into the places that they take."""
    entries = _entry_count(view, version, slot, _part_count(view, version, slot))
    source, target = np.empty(entries, np.uint64), np.empty(entries, np.uint64)
    first = 0
    for _, value in view.scan(mapping_key(version, slot, 0), mapping_key(version, slot + 1, 0)):
        part = decode_part(value)
        last = first + len(part[0])
        if last <= entries:
            source[first:last], target[first:last] = part
        first = last
    if first != entries:
        raise CorruptValue("a run of the mappings is damaged: its parts have not the lengths that they should have")
    return source, target


class Mappings:
    """The mappings of an instance.

    Attributes:
        lock: held from a change to the commit of its transaction.
    """

    def __init__(self, instance: LabelMapInstance) -> None:
        self._instance = instance
        self._changes: int | None = None
        self._chains: _Chains = OrderedDict()
        self._former: tuple[int, _Chains] = (-1, OrderedDict())
        self._slots: dict[int, list[_Slot]] = {}  # of versions that were written since the start
        self._guard = threading.Lock()
        self._loading = threading.Lock()
        self.lock = threading.RLock()

    # -- reading

    def chain(self, view: View) -> Chain:
        """Return the effective entries at a version, as of the state that a view sees."""
        head = view.get_shared(MAPPING_HEAD)
        if head is None:
            return Chain()
        changes = int.from_bytes(head, "little")
        found = self._kept(changes, view.version)
        if found is not None:
            return found
        with self._loading:
            return self._kept(changes, view.version) or self._load(view, changes)

    def chain_at_hand(self, view: View) -> Chain | None:
        """Return the effective entries at a version, or None if they must be read from the store, which takes long."""
        head = view.get(MAPPING_HEAD)
        return Chain() if head is None else self._kept(int.from_bytes(head, "little"), view.version)

    def _kept(self, changes: int, version: int) -> Chain | None:
        with self._guard:
            if changes == self._changes:
                chain = self._chains.get(version)
                if chain is not None:
                    self._chains.move_to_end(version)
                return chain
            return self._former[1].get(version) if changes == self._former[0] else None

    def _load(self, view: View, changes: int) -> Chain:
        path = [version.id for version in self._instance.repo.dag.first_parents(view.version)]
        chain, missing = Chain(), path
        for place, version in enumerate(path):
            found = self._kept(changes, version)
            if found is not None:
                chain, missing = found, path[:place]
                break
        for version in reversed(missing):
            if version == view.version and len(path) > 1:
                self._keep(changes, path[1], chain)
            for run in own_runs(view, version):
                chain = chain.pushed(run)
        self._keep(changes, view.version, chain)
        return chain

    def _keep(self, changes: int, version: int, chain: Chain) -> None:
        """Keep a chain, unless the mappings were changed since."""
        with self._guard:
            if self._changes is None:
                self._changes = changes
            if changes == self._changes:
                self._chains[version] = chain
                while len(self._chains) > _CHAINS:
                    self._chains.popitem(last=False)

    def stored(self) -> tuple[int, int, int]:
        """Return how many entries are stored, in how many versions, and the largest id of those."""
        entries, versions, newest = 0, 0, 0
        for version in self._instance.repo.dag:
            with self._instance.view(version) as view:
                if view.version != version.id:
                    continue
                own = sum(count_entries(value) for _, value in view.scan(*mapping_bounds(version.id)))
            if own:
                entries, versions, newest = entries + own, versions + 1, max(newest, version.id)
        return entries, versions, newest

    # -- writing

    def add(self, view: View, txn: Txn, source: Labels, target: Labels) -> None:
        """Add entries to a transaction; of several for one source the last counts.

        `lock`, and the turn of the version, must be held from before the view was opened to the commit.

        Args:
            view: the version before the change.
            txn: a transaction of it.
            source: uint64 (n,).
            target: uint64 (n,).

        Raises:
            TooLarge: they are more than one mutation may have.
        """
        if not len(source):
            return
        run = last_of_each(source, target)
        head = view.get_shared(MAPPING_HEAD)
        changes = 1 + (0 if head is None else int.from_bytes(head, "little"))
        chain = self.chain(view)
        slots = self._slots.get(view.version)
        slots = _write_run(view, txn, run, _stored_slots(view, view.version) if slots is None else slots)
        txn.put_shared(MAPPING_HEAD, changes.to_bytes(8, "little"))
        txn.after_commit(lambda _: self._slots.__setitem__(view.version, slots))
        txn.after_commit(lambda _: self._changed(view.version, changes, chain.pushed(run)))

    def _changed(self, version: int, changes: int, chain: Chain) -> None:
        dag = self._instance.repo.dag
        with self._guard:
            if self._changes is None:
                self._changes = changes - 1
            untouched = OrderedDict(
                (other, kept)
                for other, kept in self._chains.items()
                if other != version and all(above.id != version for above in dag.first_parents(other))
            )
            self._former = self._changes, self._chains
            untouched[version] = chain
            self._changes, self._chains = changes, untouched


def _stored_slots(view: View, version: int) -> list[_Slot]:
    counts = [_part_count(view, version, slot) for slot in range(_run_count(view, version))]
    return [_Slot(count, _entry_count(view, version, slot, count)) for slot, count in enumerate(counts)]


def _write_run(view: View, txn: Txn, run: Mapping, slots: Sequence[_Slot]) -> list[_Slot]:
    """Store a run of a version, together with those before it that are not longer; returns the slots afterwards."""
    version, entries, first = view.version, len(run[0]), len(slots)
    while first and slots[first - 1].entries <= min(2 * entries, LONG_RUN):
        first -= 1
        entries += slots[first].entries
    for number in reversed(range(first, len(slots))):
        run = merged_runs(slots[number].run or _stored_run(view, version, number), run)
    source, target = run
    count = -(-len(source) // PART_ENTRIES)
    for part in range(count):
        piece = slice(part * PART_ENTRIES, (part + 1) * PART_ENTRIES)
        txn.put(mapping_key(version, first, part), encode_part(source[piece], target[piece]), LZ4)
    for number in range(first, len(slots)):
        for part in range(count if number == first else 0, slots[number].parts):
            txn.delete(mapping_key(version, number, part))
    return [*slots[:first], _Slot(count, len(source), run if count == 1 else None)]

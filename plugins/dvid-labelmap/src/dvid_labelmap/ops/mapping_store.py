"""The mappings of an instance: runs that each version has of its own, and chains of them in memory.

Entries are never deleted. A version keeps its own entries as a few runs, later ones overriding earlier ones; a new run
takes in those before it that are no longer than itself, so that there are few however many mutations there were. What
is effective at a version is the chain of the runs along its first parents. Chains are made at first use, from the
store, and changed by committed mutations only; a counter in the store tells a view which chains are of its state.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np
from dvid_labels.types import Labels, Mapping

from dvid_framework.api import LZ4, Txn, View
from dvid_labelmap.keys import MAPPING_HEAD, mapping_bounds, mapping_key, place_of_mapping
from dvid_labelmap.mapping_codec import PART_ENTRIES, count_entries, decode_part, encode_part
from dvid_labelmap.ops.chains import Chain, last_of_each, merged_runs

if TYPE_CHECKING:
    from dvid_labelmap.instance import LabelMapInstance

__all__ = ["Mappings", "own_runs"]

_CHAINS = 64  # kept at once; those of one line of versions share their arrays
_ABSORBED_ENTRIES = 1 << 20  # a longer run is not written again
_Chains = OrderedDict[int, Chain]


def own_runs(view: View, version: int) -> list[Mapping]:
    """Return the runs that a version has of its own, the earliest first.

    Raises:
        CorruptValue: stored bytes are damaged.
    """
    stored = view.scan(*mapping_bounds(version))
    return [
        _joined([decode_part(value) for _, value in parts])
        for _, parts in groupby(stored, lambda item: place_of_mapping(item[0])[0])
    ]


def _joined(parts: list[Mapping]) -> Mapping:
    if len(parts) == 1:
        return parts[0]
    sources, targets = zip(*parts, strict=True)
    return np.concatenate(sources), np.concatenate(targets)


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
        self._guard = threading.Lock()
        self._loading = threading.Lock()
        self.lock = threading.RLock()

    # -- reading

    def chain(self, view: View) -> Chain:
        """Return the effective entries at a version, as of the state that a view sees."""
        head = view.get(MAPPING_HEAD)
        if head is None:
            return Chain()
        changes = int.from_bytes(head, "little")
        found = self._kept(changes, view.version)
        if found is not None:
            return found
        with self._loading:
            return self._kept(changes, view.version) or self._load(view, changes)

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
        head = view.get(MAPPING_HEAD)
        changes = 1 + (0 if head is None else int.from_bytes(head, "little"))
        chain = self.chain(view)
        _write_run(view, txn, run)
        txn.put_shared(MAPPING_HEAD, changes.to_bytes(8, "little"))
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


def _stored_run(view: View, slot: int) -> Mapping:
    """Return one of the runs that a version has of its own."""
    version = view.version
    bounds = mapping_key(version, slot, 0), mapping_key(version, slot + 1, 0)
    return _joined([decode_part(value) for _, value in view.scan(*bounds)])


def _write_run(view: View, txn: Txn, run: Mapping) -> None:
    """Store a run of a version, together with those before it that are not longer."""
    parts: dict[int, int] = {}  # how many each slot has
    for key in view.keys(*mapping_bounds(view.version)):
        slot, part = place_of_mapping(key)
        parts[slot] = part + 1
    slot, entries = len(parts), len(run[0])
    while slot and (parts[slot - 1] - 1) * PART_ENTRIES <= 2 * entries:
        last = parts[slot - 1] - 1
        value = view.get(mapping_key(view.version, slot - 1, last))
        length = last * PART_ENTRIES + (count_entries(value) if value is not None else 0)
        if length > min(2 * entries, _ABSORBED_ENTRIES):
            break
        slot, entries = slot - 1, entries + length
    for number in reversed(range(slot, len(parts))):
        run = merged_runs(_stored_run(view, number), run)
    source, target = run
    count = -(-len(source) // PART_ENTRIES)
    for part in range(count):
        piece = slice(part * PART_ENTRIES, (part + 1) * PART_ENTRIES)
        txn.put(mapping_key(view.version, slot, part), encode_part(source[piece], target[piece]), LZ4)
    for number in range(slot, len(parts)):
        for part in range(count if number == slot else 0, parts[number]):
            txn.delete(mapping_key(view.version, number, part))

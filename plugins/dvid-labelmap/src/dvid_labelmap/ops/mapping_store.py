"""The mappings of an instance: runs that each version has of its own, and chains of them.

Entries are never deleted. A version keeps its own entries as a few sorted runs, later ones overriding earlier ones. A
new run takes in those before it that are short and no longer than itself; long ones are folded by a job. What is
effective at a version is the chain of the runs along its first parents. Chains are made at first use, and changed by
committed mutations only; a counter in the store tells a view which chains are of its state. Of long runs a chain has
only the first supervoxels of the chunks, so that it is made at once, however many entries there are.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from typing import TYPE_CHECKING

from dvid_labels import kernels
from dvid_labels.types import Labels

from dvid_framework.api import DvidError, Txn, View
from dvid_labelmap.keys import MAPPING_HEAD
from dvid_labelmap.mapping_codec import Manifest, RunRecord
from dvid_labelmap.ops.chains import LONG_RUN, Chain, EffectiveMapping
from dvid_labelmap.ops.chunk_cache import ChunkCache
from dvid_labelmap.ops.fold_plan import next_fold
from dvid_labelmap.ops.mapping_manifest import OwnRuns, read_manifest, with_run, write_manifest
from dvid_labelmap.ops.mapping_runs import Run
from dvid_labelmap.ops.stored_runs import StoredRun, read_run

if TYPE_CHECKING:
    from dvid_labelmap.instance import LabelMapInstance

__all__ = ["FOLD_JOB", "WHOLE_ENTRIES", "Mappings"]

FOLD_JOB = "fold-mappings"
"""The kind of job that makes few runs of mappings of many."""
WHOLE_ENTRIES = 1 << 21
"""A chain of at most so many entries is all in memory."""
_SHORT_RUN = 1 << 16  # of a longer chain, runs up to here are in memory
_MOST_ENTRIES = 2 * WHOLE_ENTRIES  # in memory, of one chain
_CHAINS = 64  # kept at once; those of one line of versions share their arrays
_CHAIN_BYTES = 256 << 20
_Chains = OrderedDict[int, Chain]


class Mappings:
    """The mappings of an instance.

    Args:
        instance: the instance.
        cache: where chunks of stored runs are kept.

    Attributes:
        lock: held from a change to the commit of its transaction.
        folding: ids of the versions whose runs a job folds, or will; `lock` is held to change it.
        last_long_post: when a long run was added, by the monotonic clock.
    """

    def __init__(self, instance: LabelMapInstance, cache: ChunkCache) -> None:
        self._instance = instance
        self._cache = cache
        self._changes: int | None = None
        self._chains: _Chains = OrderedDict()
        self._former: tuple[int, _Chains] = (-1, OrderedDict())
        self._own: dict[int, OwnRuns] = {}  # by version, of the state after so many changes
        self._stored: dict[tuple[int, int], StoredRun] = {}  # by version and generation
        self._guard = threading.Lock()
        self._loading = threading.Lock()
        self.lock = threading.RLock()
        self.folding: set[int] = set()
        self.last_long_post = 0.0

    # -- reading

    def chain(self, view: View) -> EffectiveMapping:
        """Return the effective entries at a version, as of the state that a view sees."""
        return EffectiveMapping(self._chain(view), view)

    def _chain(self, view: View) -> Chain:
        return self._chain_of(view, _changes_in(view))

    def _chain_of(self, view: View, changes: int) -> Chain:
        if not changes:
            return Chain()
        found = self._kept(changes, view.version)
        if found is not None:
            return found
        with self._loading:
            return self._kept(changes, view.version) or self._load(view, changes)

    def _own_runs(self, view: View, changes: int) -> OwnRuns:
        """Return the runs that a version has of its own; `lock` must be held."""
        with self._guard:
            own = self._own.get(view.version) if changes == self._changes else None
        return own or OwnRuns(read_manifest(view, view.version), {})

    def chain_at_hand(self, view: View) -> EffectiveMapping | None:
        """Return the effective entries at a version, or None if they must be read from the store, which takes long."""
        head = view.get(MAPPING_HEAD)
        chain = Chain() if head is None else self._kept(int.from_bytes(head, "little"), view.version)
        return None if chain is None else EffectiveMapping(chain, view)

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
        manifests = {version: read_manifest(view, version) for version in missing}
        total = len(chain) + sum(run.entries for manifest in manifests.values() for run in manifest.runs)
        for version in reversed(missing):
            if version == view.version and len(path) > 1:
                self._keep(changes, path[1], chain)
            self._forget_folded(changes, version, manifests[version])
            for record in manifests[version].runs:
                chain = self._lengthened(chain, view, version, record, total)
            self._offer_folding(version, manifests[version])
        self._keep(changes, view.version, chain)
        return chain

    def _lengthened(self, chain: Chain, view: View, version: int, record: RunRecord, total: int) -> Chain:
        """Return a chain with one more run: in memory if it is short, or all are few."""
        is_few = total <= WHOLE_ENTRIES or record.entries <= _SHORT_RUN
        if is_few and chain.in_memory + record.entries <= WHOLE_ENTRIES:
            return chain.pushed(read_run(view, version, record))
        place = version, record.generation
        with self._guard:
            run = self._stored.get(place)
        if run is None:
            run = StoredRun(view, version, record, self._cache)
            with self._guard:
                run = self._stored.setdefault(place, run)
        return chain.with_stored(run)

    def _forget_folded(self, changes: int, version: int, manifest: Manifest) -> None:
        """Give up the memory of runs that a version has no more."""
        there = {(version, run.generation) for run in manifest.runs}
        with self._guard:
            if changes != (self._changes or changes):
                return
            gone = [
                self._stored.pop(place) for place in list(self._stored) if place[0] == version and place not in there
            ]
        for run in gone:
            run.let_go()

    def _keep(self, changes: int, version: int, chain: Chain) -> None:
        """Keep a chain, unless the mappings were changed since."""
        with self._guard:
            if self._changes is None:
                self._changes = changes
            if changes == self._changes:
                self._chains[version] = chain
                while len(self._chains) > _CHAINS or (len(self._chains) > 1 and _bytes_of(self._chains) > _CHAIN_BYTES):
                    self._chains.popitem(last=False)

    def stored(self) -> tuple[int, int, int]:
        """Return how many entries are stored, in how many versions, and the largest id of those."""
        entries, versions, newest = 0, 0, 0
        for version in self._instance.repo.dag:
            with self._instance.view(version) as view:
                if view.version != version.id:
                    continue
                own = sum(run.entries for run in read_manifest(view, version.id).runs)
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
        run = kernels.sort_mapping(source, target)
        is_long = len(run[0]) > LONG_RUN
        changes = _changes_in(view)
        chain = None if is_long else self._chain_of(view, changes)
        former = self._own_runs(view, changes)
        own, taken, made = with_run(view, txn, former, run)
        if chain is not None:
            left = own.manifest.runs
            gone = {(view.version, other.generation) for other in former.manifest.runs if other not in left}
            chain = None if chain.places & gone else chain.extended(run, taken, made)
        self._write(view, txn, changes, own, chain)
        if is_long:
            self.last_long_post = time.monotonic()
        self._offer_folding(view.version, own.manifest, txn)

    def write(self, view: View, txn: Txn, manifest: Manifest) -> None:
        """Store the runs of a version; `lock` must be held from before the view was opened to the commit.

        Args:
            view: the version before the change.
            txn: a transaction of it.
            manifest: its runs from now on.
        """
        self._write(view, txn, _changes_in(view), OwnRuns(manifest, {}), None)

    def _write(self, view: View, txn: Txn, before: int, own: OwnRuns, chain: Chain | None) -> None:
        """As `write`; the chain is what is then effective at the version, if it is known."""
        write_manifest(txn, view.version, own.manifest)
        txn.put_shared(MAPPING_HEAD, (before + 1).to_bytes(8, "little"))
        txn.after_commit(lambda _: self._changed(view.version, before + 1, own, chain))

    def _changed(self, version: int, changes: int, own: OwnRuns, chain: Chain | None) -> None:
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
            if chain is not None and chain.in_memory <= _MOST_ENTRIES:
                untouched[version] = chain
            if self._changes != changes - 1 or len(self._own) >= _CHAINS:
                self._own.clear()
            self._own[version] = own
            self._changes, self._chains = changes, untouched

    # -- folding

    def _offer_folding(self, version: int, manifest: Manifest, txn: Txn | None = None) -> None:
        """Start a job that folds the runs of a version if they should be, and none will."""
        if version in self.folding or next_fold(manifest.runs) is None:
            return
        try:
            self._instance.start_job(FOLD_JOB, version=self._instance.repo.dag[version], txn=txn)
        except DvidError:
            return  # too many jobs wait, or this is no running server: a later change asks again
        if txn is None:
            self.folding.add(version)
        else:
            txn.after_commit(lambda _: self.folding.add(version))


def _changes_in(view: View) -> int:
    """Return how many changes of the mappings a view sees."""
    head = view.get_shared(MAPPING_HEAD)
    return 0 if head is None else int.from_bytes(head, "little")


def _bytes_of(chains: _Chains) -> int:
    """Return how many bytes chains have in memory; what they share counts once."""
    runs = {id(run): run.nbytes for chain in chains.values() for run in chain.runs if isinstance(run, Run)}
    flat = sum(16 * len(chain) for chain in chains.values() if "flat" in chain.__dict__)
    return sum(runs.values()) + flat

"""The job that folds runs of mappings: few long ones instead of many, in bounded memory, while reads and posts go on.

A step stores some hundred chunks of the new run, and with them how far it is, as one unit. Until all of it is there its
slot is listed as trash; then one unit puts it in the place of the runs that it was made of, and these become trash,
which is removed in steps. So a job may be killed, cancelled and resumed anywhere.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

import msgspec

from dvid_framework.api import Job, Step, Txn, VersionRecord, View
from dvid_labelmap.mapping_codec import CHUNK_ENTRIES, Manifest, RunRecord
from dvid_labelmap.ops.chunk_cache import ChunkCache
from dvid_labelmap.ops.fold_plan import Fold, next_fold
from dvid_labelmap.ops.mapping_manifest import keys_of_slot, put_chunks, read_manifest
from dvid_labelmap.ops.mapping_windows import window_from
from dvid_labelmap.ops.stored_runs import StoredRun

if TYPE_CHECKING:
    from dvid_labelmap.instance import LabelMapInstance

__all__ = ["fold_mappings"]

_PAUSE_SECONDS = 2.0
_POLL_SECONDS = 0.1
_KEYS_OF_A_STEP = 4096


class _Place(msgspec.Struct, array_like=True, frozen=True):
    """How far a run is that is being made: the cursor of the job.

    Attributes:
        slot: its slot.
        generation: its generation.
        inputs: generations of the runs that it is made of, the earliest first.
        chunks: how many chunks of it are stored.
        entries: how many entries are in those.
        start: the source from which on the rest is; None if nothing is left.
        total: entries of the inputs.
    """

    slot: int
    generation: int
    inputs: tuple[int, ...]
    total: int
    chunks: int = 0
    entries: int = 0
    start: int | None = 0

    def step(self) -> Step:
        return Step(msgspec.to_builtins(self), self.entries, self.total)


def fold_mappings(instance: LabelMapInstance, job: Job) -> Iterator[Step]:
    """Fold runs of mappings of a version until nothing is worth it, and remove what is not needed any more."""
    assert job.version is not None
    fold = _Folding(instance, job, job.version)
    try:
        yield from fold.steps()
    finally:
        instance.mappings.folding.discard(job.version.id)


class _Folding:
    def __init__(self, instance: LabelMapInstance, job: Job, version: VersionRecord) -> None:
        self._instance = instance
        self._job = job
        self._version = version
        self._runs: dict[int, StoredRun] = {}  # by generation: what is folded

    def steps(self) -> Iterator[Step]:
        mappings = self._instance.mappings
        with mappings.lock:
            mappings.folding.add(self._version.id)
        place = self._resumed()
        while True:
            yield from self._cleared(place)
            while place is None:
                plan, place = self._begun()
                if plan is None:
                    return
                if place is None:  # it is not urgent, and posts come
                    time.sleep(_POLL_SECONDS)
                yield Step(None) if place is None else place.step()
            while place.start is not None:
                place = self._advanced(place)
                yield place.step()
            self._ended(place)
            self._runs.clear()
            place = None
            yield Step(None)

    # -- what is stored

    def _view(self) -> View:
        return self._instance.view(self._version)

    def _begin(self) -> Txn:
        return self._instance.begin(self._version, lift_lock=True, durable=False)

    def _write(self, txn: Txn, view: View, manifest: Manifest) -> None:
        """Store a list of runs that holds the same entries as before; `lock` must be held."""
        self._instance.mappings.write(view, txn, manifest)
        txn.mark_internal()

    def _inputs(self, manifest: Manifest, place: _Place) -> slice | None:
        """Return where the runs are that a new one is made of; None if they are not there any more."""
        generations = [run.generation for run in manifest.runs]
        if place.inputs[0] not in generations:
            return None
        first = generations.index(place.inputs[0])
        found = slice(first, first + len(place.inputs))
        return found if tuple(generations[found]) == place.inputs else None

    # -- steps

    def _resumed(self) -> _Place | None:
        """Return where the job was, if it can go on there."""
        if not self._job.cursor:
            return None
        place = msgspec.convert(self._job.cursor, _Place)
        with self._view() as view:
            manifest = read_manifest(view, view.version)
        is_there = (place.slot, False) in manifest.trash and self._inputs(manifest, place) is not None
        taken = any(run.generation == place.generation for run in manifest.runs)
        return place if is_there and not taken else None

    def _begun(self) -> tuple[Fold | None, _Place | None]:
        """Choose what is folded next, and take a slot for it if it need not wait; nothing if nothing is worth it."""
        mappings = self._instance.mappings
        with self._begin() as txn, mappings.lock, self._view() as view:
            manifest = read_manifest(view, view.version)
            plan = next_fold(manifest.runs)
            if plan is None:
                mappings.folding.discard(self._version.id)  # from here on a post starts another job
                return None, None
            if not plan.is_urgent and time.monotonic() - mappings.last_long_post < _PAUSE_SECONDS:
                return plan, None
            slot, generation = manifest.free_slot(), manifest.generations
            runs = manifest.runs[plan.first : plan.end]
            place = _Place(slot, generation, tuple(run.generation for run in runs), sum(run.entries for run in runs))
            self._write(txn, view, Manifest(manifest.runs, (*manifest.trash, (slot, False)), generation + 1))
            self._job.keep(txn, place.step())
            txn.commit()
        return plan, place

    def _advanced(self, place: _Place) -> _Place:
        """Store the next chunks of the new run."""
        assert place.start is not None
        with self._view() as view:
            manifest = read_manifest(view, view.version)
            runs = [self._stored(view, run) for run in manifest.runs if run.generation in place.inputs]
            (source, target), end = window_from(view, runs, place.start)
        if end is not None:  # whole chunks alone; the rest comes with the next ones
            count = len(source) - len(source) % CHUNK_ENTRIES
            end = int(source[count]) if count < len(source) else end
            source, target = source[:count], target[:count]
        with self._begin() as txn:
            added = put_chunks(txn, self._version.id, place.slot, place.chunks, (source, target))
            place = msgspec.structs.replace(
                place, chunks=place.chunks + added, entries=place.entries + len(source), start=end
            )
            txn.mark_internal()
            self._job.keep(txn, place.step())
        return place

    def _stored(self, view: View, run: RunRecord) -> StoredRun:
        if run.generation not in self._runs:
            self._runs[run.generation] = StoredRun(view, self._version.id, run, ChunkCache(0))
        return self._runs[run.generation]

    def _ended(self, place: _Place) -> None:
        """Put the new run in the place of those that it was made of."""
        with self._begin() as txn, self._instance.mappings.lock, self._view() as view:
            manifest = read_manifest(view, view.version)
            found = self._inputs(manifest, place)
            assert found is not None, "runs that are folded stay until they are"
            new = RunRecord(place.slot, place.generation, place.entries, place.chunks)
            runs = (*manifest.runs[: found.start], new, *manifest.runs[found.stop :])
            trash = [entry for entry in manifest.trash if entry != (place.slot, False)]
            trash += [(run.slot, run.former) for run in manifest.runs[found]]
            self._write(txn, view, Manifest(runs, tuple(trash), manifest.generations))
            self._job.keep(txn, Step(None))
            txn.commit()

    def _cleared(self, place: _Place | None) -> Iterator[Step]:
        """Remove the chunks that belong to no run, but those of the one that is being made."""
        with self._view() as view:
            trash = read_manifest(view, view.version).trash
        step = Step(None) if place is None else place.step()
        for slot, former in trash:
            if place is not None and (slot, former) == (place.slot, False):
                continue
            with self._view() as view:
                keys = keys_of_slot(view, self._version.id, slot, former=former)
            for first in range(0, len(keys), _KEYS_OF_A_STEP):
                with self._begin() as txn:
                    for key in keys[first : first + _KEYS_OF_A_STEP]:
                        txn.delete(key)
                    txn.mark_internal()
                yield step
            with self._begin() as txn, self._instance.mappings.lock, self._view() as view:
                manifest = read_manifest(view, view.version)
                kept = tuple(entry for entry in manifest.trash if entry != (slot, former))
                self._write(txn, view, Manifest(manifest.runs, kept, manifest.generations))
                txn.commit()
            yield step

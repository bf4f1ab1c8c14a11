"""The runs of mappings that a version has of its own, as they are listed and written."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from dvid_labels import kernels
from dvid_labels.types import Labels, Mapping

from dvid_framework.api import NONE, Txn, View
from dvid_labelmap.former_mappings import PART_ENTRIES, count_entries
from dvid_labelmap.keys import (
    firsts_key,
    former_mapping_bounds,
    former_mapping_key,
    manifest_key,
    mapping_chunk_key,
    place_of_former_mapping,
    run_bounds,
)
from dvid_labelmap.mapping_codec import (
    CHUNK_ENTRIES,
    Manifest,
    RunRecord,
    decode_manifest,
    encode_firsts,
    encode_manifest,
)
from dvid_labelmap.ops.chains import LONG_RUN, merged_runs
from dvid_labelmap.ops.mapping_runs import Run
from dvid_labelmap.ops.stored_runs import read_run

__all__ = ["Added", "OwnRuns", "keys_of_slot", "put_chunks", "read_manifest", "with_run", "write_manifest"]

SHORT_RUN = 4096
"""Entries up to which a run is kept at hand after it was written, for the changes to come to take it in."""


class OwnRuns(NamedTuple):
    """The runs that a version has of its own.

    Attributes:
        manifest: their list.
        short: short ones that are at hand, by generation.
    """

    manifest: Manifest
    short: dict[int, Run]


def read_manifest(view: View, version: int) -> Manifest:
    """Return the runs that a version has of its own, by its id.

    Raises:
        CorruptValue: what is stored is damaged.
    """
    value = view.get(manifest_key(version))
    return _former_manifest(view, version) if value is None else decode_manifest(value)


def _former_manifest(view: View, version: int) -> Manifest:
    """Return the runs of a version that has them in the former stored form alone, in which they were not listed."""
    parts: dict[int, int] = {}
    for key in view.keys(*former_mapping_bounds(version)):
        slot, _ = place_of_former_mapping(key)
        parts[slot] = parts.get(slot, 0) + 1
    runs = []
    for slot, count in sorted(parts.items()):
        last = view.get(former_mapping_key(version, slot, count - 1))
        entries = (count - 1) * PART_ENTRIES + (0 if last is None else count_entries(last))
        runs.append(RunRecord(slot, slot, entries, count, former=True))
    return Manifest(tuple(runs), (), runs[-1].slot + 1 if runs else 0)


def write_manifest(txn: Txn, version: int, manifest: Manifest) -> None:
    """Store the runs of a version."""
    txn.put(manifest_key(version), encode_manifest(manifest), NONE)


def put_chunks(txn: Txn, version: int, slot: int, first: int, entries: Mapping) -> int:
    """Store chunks of sorted entries in a slot; returns how many they are.

    Args:
        txn: a transaction of the version.
        version: its id.
        slot: the slot.
        first: number of the first chunk.
        entries: sorted, uint64 (n,) each.
    """
    chunks = kernels.encode_mapping(*entries, CHUNK_ENTRIES)
    firsts: Labels = entries[0][::CHUNK_ENTRIES]
    keys = [mapping_chunk_key(version, slot, number) for number in range(first, first + len(chunks))]
    txn.put_many([*keys, firsts_key(version, slot, first)], [*chunks, encode_firsts(firsts)], NONE)
    return len(chunks)


class Added(NamedTuple):
    """What became of a run.

    Attributes:
        own: the runs of the version afterwards.
        taken: those that it was merged with.
        run: all these together.
    """

    own: OwnRuns
    taken: list[Run]
    run: Run


def with_run(view: View, txn: Txn, own: OwnRuns, run: Mapping) -> Added:
    """Store a run of a version, together with those before it that are not longer.

    Args:
        view: the version before the change.
        txn: a transaction of it.
        own: the runs before.
        run: sorted entries, uint64 (n,) each.
    """
    version, runs, entries = view.version, list(own.manifest.runs), len(run[0])
    taken: list[RunRecord] = []
    while runs and runs[-1].entries <= min(2 * entries, LONG_RUN):
        taken.insert(0, runs.pop())
        entries += taken[0].entries
    parts = [own.short.get(record.generation) or Run(read_run(view, version, record)) for record in taken]
    run = merged_runs(*(part.entries for part in parts), run)
    kept = Manifest(tuple(runs), own.manifest.trash)
    slot, generation = kept.free_slot(), own.manifest.generations
    chunks = put_chunks(txn, version, slot, 0, run)
    record = RunRecord(slot, generation, len(run[0]), chunks)
    written = set(_keys_of_short_run(version, record))
    for gone in taken:
        for key in _keys_of_short_run(version, gone):
            if key not in written:
                txn.delete(key)
    short = {other.generation: own.short[other.generation] for other in runs if other.generation in own.short}
    made = Run(run)
    if len(made) <= SHORT_RUN:
        short[generation] = made
    return Added(OwnRuns(Manifest((*runs, record), own.manifest.trash, generation + 1), short), parts, made)


def _keys_of_short_run(version: int, record: RunRecord) -> Iterator[bytes]:
    """Yield the keys of a run that was written by one transaction."""
    key = former_mapping_key if record.former else mapping_chunk_key
    yield from (key(version, record.slot, part) for part in range(record.chunks))
    if not record.former:
        yield firsts_key(version, record.slot, 0)


def keys_of_slot(view: View, version: int, slot: int, *, former: bool) -> list[bytes]:
    """Return the keys of all chunks that are in a slot, and of their first supervoxels."""
    makers: Sequence[Callable[[int, int, int], bytes]]
    makers = [former_mapping_key] if former else [mapping_chunk_key, firsts_key]
    found: Iterable[Iterator[bytes]] = (view.keys(*run_bounds(make, version, slot)) for make in makers)
    return [key for keys in found for key in keys]

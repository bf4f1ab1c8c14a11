"""A check of the mappings that a version has of its own, for `dvid fsck`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from dvid_framework.api import DvidError, VersionRecord, View
from dvid_labelmap.mapping_codec import RunRecord
from dvid_labelmap.ops.chunk_cache import ChunkCache
from dvid_labelmap.ops.mapping_manifest import read_manifest
from dvid_labelmap.ops.stored_runs import StoredRun

if TYPE_CHECKING:
    from dvid_labelmap.instance import LabelMapInstance

__all__ = ["wrong_mappings"]

_CHUNKS = 256


def wrong_mappings(instance: LabelMapInstance, view: View, version: VersionRecord) -> Iterator[str]:
    """Yield a sentence for each run of mappings that a version has of its own and that is damaged or not sorted."""
    number = instance.number_of(version)
    try:
        runs = read_manifest(view, number).runs
    except DvidError as error:
        yield f"the mappings can't be read: {error}"
        return
    for place, run in enumerate(runs):
        try:
            wrong = _wrong_run(view, number, run)
        except DvidError as error:
            wrong = f"can't be read: {error}"
        if wrong:
            yield f"run {place} of the mappings {wrong}"


def _wrong_run(view: View, version: int, record: RunRecord) -> str:
    """Return what is wrong with a run; an empty text if nothing is."""
    run = StoredRun(view, version, record, ChunkCache(0))
    entries, before = 0, -1
    for first in range(0, record.chunks, _CHUNKS):
        source, _ = run.read(view, first, min(first + _CHUNKS, record.chunks))
        if (source[1:] <= source[:-1]).any() or int(source[0]) <= before:
            return "is not sorted"
        if int(source[0]) != int(run.firsts[first]):
            return "has other chunks than are listed"
        entries, before = entries + len(source), int(source[-1])
    return "" if entries == record.entries else f"has {entries} entries and not {record.entries}"

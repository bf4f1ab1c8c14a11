"""Runs of mappings that stay in the store: in memory are the first supervoxels of their chunks, and what was read."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from dvid_labels import kernels
from dvid_labels.types import Labels, Mapping
from numpy.typing import NDArray

from dvid_framework.api import CorruptValue, View
from dvid_labelmap.former_mappings import PART_ENTRIES, decode_part, first_source
from dvid_labelmap.keys import firsts_key, former_mapping_key, mapping_chunk_key, run_bounds
from dvid_labelmap.mapping_codec import RunRecord, damaged_mapping, decode_firsts
from dvid_labelmap.ops.chunk_cache import CachedChunks, ChunkCache

__all__ = ["StoredRun", "read_run"]

_FEW_CHUNKS = 4
_MOST_CHUNKS = 4096  # that are held at once for one look-up


def _read_firsts(view: View, version: int, record: RunRecord) -> Labels:
    """Return the first supervoxel of each chunk of a run, uint64 (n,)."""
    key = former_mapping_key if record.former else firsts_key
    values = (value for _, value in view.scan(*run_bounds(key, version, record.slot)))
    if record.former:
        firsts = np.array([first_source(value) for value in values], np.uint64)
    else:
        firsts = np.concatenate([np.zeros(0, np.uint64), *map(decode_firsts, values)])
    if len(firsts) != record.chunks or (firsts[1:] <= firsts[:-1]).any():
        raise CorruptValue("a run of the mappings is damaged: its chunks are not those that it should have")
    return firsts


class StoredRun:
    """A run in the store. Reads need a view in which it is there.

    Args:
        view: one state of the data.
        version: id of the version that has the run of its own.
        record: what is known of it.
        cache: where its chunks are kept.

    Attributes:
        record: what is known of it.
        firsts: the first supervoxel of each chunk, uint64 (n,), strictly ascending.
    """

    __slots__ = ("_cache", "_chunks", "_version", "firsts", "record")

    def __init__(self, view: View, version: int, record: RunRecord, cache: ChunkCache) -> None:
        self.record = record
        self.firsts = _read_firsts(view, version, record)
        self._version = version
        self._cache = cache
        self._chunks = CachedChunks(record.chunks)

    def __len__(self) -> int:
        return self.record.entries

    @property
    def place(self) -> tuple[int, int]:
        """The version that has the run of its own, and the run's generation."""
        return self._version, self.record.generation

    def let_go(self) -> None:
        """Give up what is in memory of the chunks."""
        self._cache.let_go(self._chunks)

    def find(self, labels: Labels, mix: Labels, view: View) -> tuple[NDArray[np.intp], Labels]:
        """Look up labels.

        Args:
            labels: uint64 (n,), ascending.
            mix: not needed.
            view: where the run is.

        Returns:
            Which labels have an entry, by their number, and its target.

        Raises:
            CorruptValue: a chunk is damaged.
        """
        del mix
        chunks = np.searchsorted(self.firsts, labels, side="right") - 1
        below = int(np.searchsorted(chunks, 0))
        numbers, targets = [np.zeros(0, np.intp)], [np.zeros(0, np.uint64)]
        is_new = np.diff(chunks[below:], prepend=-1) != 0
        starts = np.append(np.flatnonzero(is_new) + below, len(labels))
        for first in range(0, len(starts) - 1, _MOST_CHUNKS):
            cuts = starts[first : first + _MOST_CHUNKS + 1]
            low, high = int(cuts[0]), int(cuts[-1])
            owners = np.cumsum(is_new[low - below : high - below]) - 1
            with damaged_mapping():
                hits, found = kernels.find_mapping(self._fetch(view, chunks[cuts[:-1]]), owners, labels[low:high])
            numbers.append(np.flatnonzero(hits) + low)
            targets.append(found[hits])
        return np.concatenate(numbers), np.concatenate(targets)

    def find_one(self, label: np.uint64, view: View) -> int | None:
        """Return the target of one label's entry; None without one."""
        numbers, targets = self.find(np.array([label], np.uint64), np.zeros(0, np.uint64), view)
        return int(targets[0]) if len(numbers) else None

    def entries_between(self, view: View, low: int, high: int | None) -> Mapping:
        """Return the entries from one source on to below another, uint64 (n,) each; nothing of it is kept in memory.

        Raises:
            CorruptValue: a chunk is damaged.
        """
        first = max(int(np.searchsorted(self.firsts, np.uint64(low), side="right")) - 1, 0)
        end = len(self.firsts) if high is None else int(np.searchsorted(self.firsts, np.uint64(high)))
        source, target = self.read(view, first, end)
        cut = slice(
            int(np.searchsorted(source, np.uint64(low))),
            len(source) if high is None else int(np.searchsorted(source, np.uint64(high))),
        )
        return source[cut], target[cut]

    def read(self, view: View, first: int, end: int) -> Mapping:
        """Return the entries of some chunks, uint64 (n,) each, by their numbers from first to before end.

        Raises:
            CorruptValue: a chunk is damaged or missing.
        """
        if end <= first:
            return np.zeros(0, np.uint64), np.zeros(0, np.uint64)
        key, slot = self._key, self.record.slot
        values = [value for _, value in view.scan(key(self._version, slot, first), key(self._version, slot, end))]
        if len(values) != end - first:
            raise CorruptValue("a run of the mappings is damaged: chunks of it are missing")
        if self.record.former:
            parts = [decode_part(value) for value in values]
            return np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts])
        with damaged_mapping():
            return kernels.decode_mapping(values)

    @property
    def _key(self) -> Callable[[int, int, int], bytes]:
        return former_mapping_key if self.record.former else mapping_chunk_key

    def _fetch(self, view: View, wanted: NDArray[np.intp]) -> list[bytes]:
        """Return chunks by their numbers, out of memory or of the store."""
        numbers, kept = wanted.tolist(), self._chunks
        values = kept.values
        found = [values[number] for number in numbers]
        missing = [place for place, value in enumerate(found) if value is None]
        if missing:
            lacking = [numbers[place] for place in missing]
            read = self._read_chunks(view, lacking)
            for place, value in zip(missing, read, strict=True):
                found[place] = value
            self._cache.put(kept, lacking, read)
        kept.used[wanted] = True
        return found

    def _read_chunks(self, view: View, numbers: Sequence[int]) -> list[bytes]:
        key, slot = self._key, self.record.slot
        values = view.multi_get_of(self._version, (key(self._version, slot, number) for number in numbers))
        chunks: list[bytes] = []
        for value in values:
            if value is None:
                raise CorruptValue("a run of the mappings is damaged: a chunk of it is missing")
            chunks.append(_recoded(value) if self.record.former else _whole(value))
        return chunks


def _whole(value: memoryview) -> bytes:
    """Return the bytes of a value: without a copy where it is all of what it is a view of."""
    return value.obj if isinstance(value.obj, bytes) and len(value.obj) == len(value) else bytes(value)


def _recoded(value: memoryview) -> bytes:
    """Return a part of the former stored form as a chunk."""
    try:
        (chunk,) = kernels.encode_mapping(*decode_part(value), PART_ENTRIES)
    except ValueError as error:
        raise CorruptValue(f"a part of the mappings is damaged: {error}") from error
    return chunk


def read_run(view: View, version: int, record: RunRecord) -> Mapping:
    """Return all entries of a run, uint64 (n,) each.

    Raises:
        CorruptValue: it is damaged.
    """
    if record.chunks <= _FEW_CHUNKS and not record.former:  # as of each small change: found without a scan
        values = view.multi_get([mapping_chunk_key(version, record.slot, number) for number in range(record.chunks)])
        with damaged_mapping():
            source, target = kernels.decode_mapping([value for value in values if value is not None])
    else:
        run = StoredRun(view, version, record, ChunkCache(0))
        source, target = run.read(view, 0, record.chunks)
    if len(source) != record.entries:
        raise CorruptValue("a run of the mappings is damaged: it has not as many entries as it should have")
    return source, target

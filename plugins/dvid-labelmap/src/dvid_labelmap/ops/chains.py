"""What is mapped at a version: runs of which later ones override earlier ones, some in memory, some in the store."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property

import numpy as np
from dvid_labels import kernels
from dvid_labels.types import Labels, Mapping
from numpy.typing import NDArray

from dvid_framework.api import View
from dvid_labelmap.ops.mapping_runs import Run, mixed
from dvid_labelmap.ops.mapping_windows import windows
from dvid_labelmap.ops.stored_runs import StoredRun

__all__ = ["LONG_RUN", "Chain", "EffectiveMapping", "merged_runs"]

LONG_RUN = 1 << 19
"""A run of more entries is not merged with later ones as they come."""


def merged_runs(*runs: Mapping) -> Mapping:
    """Return one run of several, the earliest first; entries of later ones override."""
    if len(runs) == 1:
        return runs[0]
    source, target = (np.concatenate([run[i] for run in runs]) for i in (0, 1))
    return kernels.sort_mapping(source, target)


class Chain:
    """Runs of entries, of which later ones override earlier ones; a chain never changes.

    Runs in memory that grow alike are merged unless they are long, so that there are few: each is searched by a lookup.

    Attributes:
        runs: the earliest first.
    """

    def __init__(self, runs: tuple[Run | StoredRun, ...] = ()) -> None:
        self.runs = runs

    def __len__(self) -> int:
        """Return the number of entries, those that are overridden included."""
        return sum(map(len, self.runs))

    @cached_property
    def in_memory(self) -> int:
        """How many entries are in memory."""
        return sum(len(run) for run in self.runs if isinstance(run, Run))

    @property
    def is_whole(self) -> bool:
        """Whether all entries are in memory."""
        return not any(isinstance(run, StoredRun) for run in self.runs)

    @cached_property
    def places(self) -> frozenset[tuple[int, int]]:
        """Version and generation of the runs that are read from the store."""
        return frozenset(run.place for run in self.runs if isinstance(run, StoredRun))

    def pushed(self, run: Mapping) -> Chain:
        """Return the chain with one more run in memory, which overrides all others."""
        runs = list(self.runs)
        while runs and isinstance(last := runs[-1], Run) and len(last) <= min(2 * len(run[0]), LONG_RUN):
            runs.pop()
            run = merged_runs(last.entries, run)
        return Chain((*runs, Run(run)))

    def extended(self, run: Mapping, taken: Sequence[Run], made: Run) -> Chain:
        """As `pushed`, of a run that was merged with earlier ones already.

        Args:
            run: the run.
            taken: the runs that it was merged with; if they are the last ones here, nothing is merged again.
            made: all these together.
        """
        count = len(taken)
        before, last = self.runs[: len(self.runs) - count], self.runs[len(self.runs) - count :]
        if all(one is other for one, other in zip(last, taken, strict=False)) and len(last) == count:
            at_end = before[-1] if before else None
            if not isinstance(at_end, Run) or len(at_end) > min(2 * len(made), LONG_RUN):
                return Chain((*before, made))
        return self.pushed(run)

    def with_stored(self, run: StoredRun) -> Chain:
        """Return the chain with one more run of the store, which overrides all others."""
        return Chain((*self.runs, run))

    @cached_property
    def flat(self) -> Mapping:
        """The effective entries as one run, of a chain that is all in memory."""
        empty = np.zeros(0, np.uint64), np.zeros(0, np.uint64)
        return merged_runs(empty, *(run.entries for run in self.runs if isinstance(run, Run)))


class EffectiveMapping:
    """A chain, and the state of the data in which its stored runs are; the view must stay open while it is used.

    Attributes:
        chain: the runs.
    """

    __slots__ = ("_view", "chain")

    def __init__(self, chain: Chain, view: View) -> None:
        self.chain = chain
        self._view = view

    def __len__(self) -> int:
        return len(self.chain)

    def find(self, labels: Labels) -> tuple[NDArray[np.bool_], Labels]:
        """Look up labels.

        Args:
            labels: uint64 (n,).

        Returns:
            Which have an entry, and its target (the label itself for the others), uint64 (n,).

        Raises:
            CorruptValue: what is stored is damaged.
        """
        order = np.argsort(labels)  # neighbours are found in memory that is already near
        asked = labels[order].astype(np.uint64)
        mix, hits, mapped = mixed(asked), np.zeros(len(labels), bool), asked.copy()
        open_ = np.arange(len(labels))
        for run in reversed(self.chain.runs):
            if not len(open_):
                break
            numbers, targets = run.find(asked[open_], mix[open_], self._view)
            if len(numbers):
                mapped[open_[numbers]] = targets
                hits[open_[numbers]] = True
                open_ = np.delete(open_, numbers)
        found, shown = np.empty_like(hits), np.empty_like(mapped)
        found[order], shown[order] = hits, mapped
        return found, shown

    def map(self, labels: Labels) -> Labels:
        """Return what labels are mapped to, uint64 of any shape; themselves without an entry."""
        return self.find(labels.ravel())[1].reshape(labels.shape)

    def map_one(self, label: int) -> int | None:
        """Return the target of one label's entry; None without one."""
        key = np.uint64(label)
        for run in reversed(self.chain.runs):
            target = run.find_one(key, self._view)
            if target is not None:
                return target
        return None

    def pieces(self) -> Iterator[Mapping]:
        """Yield all effective entries, uint64 (n,) each, by source; some hundred thousand at a time."""
        return windows(self._view, self.chain.runs)

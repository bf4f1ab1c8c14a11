"""Mappings in memory: sorted runs of which later ones override earlier ones."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from dvid_labels.types import Labels, Mapping
from numpy.typing import NDArray

from dvid_labelmap.ops.mapping_runs import Run, mixed

__all__ = ["LONG_RUN", "Chain", "last_of_each", "merged_runs"]

LONG_RUN = 1 << 19
"""A run of more entries is not merged with later ones: merging takes longer than searching one run more."""


def last_of_each(source: Labels, target: Labels) -> Mapping:
    """Sort entries by source; of several for one source the last counts.

    Args:
        source: uint64 (n,).
        target: uint64 (n,).
    """
    if len(source) > 1 and not (source[1:] > source[:-1]).all():
        order = np.argsort(source, kind="stable")
        source, target = source[order], target[order]
        last = np.append(source[1:] != source[:-1], True)
        source, target = source[last], target[last]
    return source, target


def merged_runs(earlier: Mapping, later: Mapping) -> Mapping:
    """Return one run of two; entries of the later one override."""
    if not len(earlier[0]) or not len(later[0]):
        return earlier if len(earlier[0]) else later
    small, places = later[0], np.searchsorted(earlier[0], later[0])
    same = earlier[0][np.minimum(places, len(earlier[0]) - 1)] == small
    source, target = earlier
    if same.any():
        target = target.copy()
        target[places[same]] = later[1][same]
    new = ~same
    if new.any():
        source = np.insert(source, places[new], small[new])
        target = np.insert(target, places[new], later[1][new])
    return source, target


def _halved(runs: list[Mapping]) -> list[Mapping]:
    """Merge neighbours, so that each entry is moved as seldom as can be until one run is left."""
    pairs = zip(runs[::2], runs[1::2], strict=False)
    return [*(merged_runs(earlier, later) for earlier, later in pairs), *runs[len(runs) & ~1 :]]


class Chain:
    """Runs of entries, of which later ones override earlier ones; a chain never changes.

    Runs that grow alike are merged unless they are long, so that there are few: a lookup takes a binary search in each.

    Attributes:
        runs: the earliest first.
    """

    def __init__(self, runs: tuple[Run, ...] = ()) -> None:
        self.runs = runs

    def __len__(self) -> int:
        """Return the number of entries, those that are overridden included."""
        return sum(map(len, self.runs))

    def pushed(self, run: Mapping) -> Chain:
        """Return the chain with one more run, which overrides all others."""
        runs = list(self.runs)
        while runs and len(runs[-1]) <= min(2 * len(run[0]), LONG_RUN):
            run = merged_runs(runs.pop().entries, run)
        return Chain((*runs, Run(run)))

    def find(self, labels: Labels) -> tuple[NDArray[np.bool_], Labels]:
        """Look up labels.

        Args:
            labels: uint64 (n,).

        Returns:
            Which have an entry, and its target (the label itself for the others), uint64 (n,).
        """
        order = np.argsort(labels)  # neighbours are found in memory that is already near
        asked = labels[order].astype(np.uint64)
        mix, hits, mapped = mixed(asked), np.zeros(len(labels), bool), asked.copy()
        open_ = np.arange(len(labels))
        for run in reversed(self.runs):
            numbers, places = run.find(asked[open_], mix[open_])
            if len(numbers):
                mapped[open_[numbers]] = run.target[places]
                hits[open_[numbers]] = True
                open_ = np.delete(open_, numbers)
                if not len(open_):
                    break
        found, targets = np.empty_like(hits), np.empty_like(mapped)
        found[order], targets[order] = hits, mapped
        return found, targets

    def map(self, labels: Labels) -> Labels:
        """Return what labels are mapped to, uint64 of any shape; themselves without an entry."""
        return self.find(labels.ravel())[1].reshape(labels.shape)

    def map_one(self, label: int) -> int | None:
        """Return the target of one label's entry; None without one."""
        key = np.uint64(label)
        for run in reversed(self.runs):
            target = run.find_one(key)
            if target is not None:
                return target
        return None

    def made_flat(self) -> Mapping:
        """Return the effective entries as one run, without keeping it."""
        if not self.runs:
            return np.zeros(0, np.uint64), np.zeros(0, np.uint64)
        runs = [run.entries for run in self.runs]
        while len(runs) > 1:
            runs = _halved(runs)
        return runs[0]

    @cached_property
    def flat(self) -> Mapping:
        """The effective entries as one run."""
        return self.made_flat()

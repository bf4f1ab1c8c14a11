"""Mappings in memory: sorted runs of which later ones override earlier ones."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from dvid_labels.types import Labels, Mapping
from numpy.typing import NDArray

__all__ = ["Chain", "last_of_each", "merged_runs"]


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


class Chain:
    """Runs of entries, of which later ones override earlier ones; a chain never changes.

    Runs that grow alike are merged, so that there are few: a lookup takes a binary search in each.

    Attributes:
        runs: source and target, uint64 (n,) each, sorted by source; the earliest run first.
    """

    def __init__(self, runs: tuple[Mapping, ...] = ()) -> None:
        self.runs = runs

    def __len__(self) -> int:
        """Return the number of entries, those that are overridden included."""
        return sum(len(source) for source, _ in self.runs)

    def pushed(self, run: Mapping) -> Chain:
        """Return the chain with one more run, which overrides all others."""
        runs = list(self.runs)
        while runs and len(runs[-1][0]) <= 2 * len(run[0]):
            run = merged_runs(runs.pop(), run)
        return Chain((*runs, run))

    def find(self, labels: Labels) -> tuple[NDArray[np.bool_], Labels]:
        """Look up labels.

        Args:
            labels: uint64 (n,).

        Returns:
            Which have an entry, and its target (the label itself for the others), uint64 (n,).
        """
        found, targets = np.zeros(len(labels), bool), labels.astype(np.uint64)
        open_ = np.arange(len(labels))
        for source, target in reversed(self.runs):
            asked = labels[open_]
            places = np.minimum(np.searchsorted(source, asked), len(source) - 1)
            hit = source[places] == asked
            targets[open_[hit]] = target[places[hit]]
            found[open_[hit]] = True
            open_ = open_[~hit]
            if not len(open_):
                break
        return found, targets

    def map(self, labels: Labels) -> Labels:
        """Return what labels are mapped to, uint64 of any shape; themselves without an entry."""
        return self.find(labels.ravel())[1].reshape(labels.shape)

    def map_one(self, label: int) -> int | None:
        """Return the target of one label's entry; None without one."""
        key = np.uint64(label)
        for source, target in reversed(self.runs):
            place = int(source.searchsorted(key))
            if place < len(source) and source[place] == key:
                return int(target[place])
        return None

    def made_flat(self) -> Mapping:
        """Return the effective entries as one run, without keeping it."""
        if not self.runs:
            return np.zeros(0, np.uint64), np.zeros(0, np.uint64)
        flat = self.runs[0]
        for run in self.runs[1:]:
            flat = merged_runs(flat, run)
        return flat

    @cached_property
    def flat(self) -> Mapping:
        """The effective entries as one run."""
        return self.made_flat()

"""Many runs of mappings as one, window after window of sources: how they are folded, and listed, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from dvid_labels import kernels
from dvid_labels.types import Mapping

from dvid_framework.api import View
from dvid_labelmap.ops.mapping_runs import Run
from dvid_labelmap.ops.stored_runs import StoredRun

__all__ = ["Window", "window_from", "windows"]

_WINDOW_CHUNKS = 256
_CHUNKS_OF_A_RUN = 4


class Window(NamedTuple):
    """The effective entries of a range of sources.

    Attributes:
        entries: source and target, uint64 (n,) each.
        end: the source at which the next window begins; None behind the last.
    """

    entries: Mapping
    end: int | None


def window_from(view: View, runs: Sequence[Run | StoredRun], start: int) -> Window:
    """Return the effective entries of some runs from a source on, of some hundred chunks.

    Args:
        view: where the runs are.
        runs: the earliest first; later ones override.
        start: the lowest source.
    """
    heads = [run.firsts[int(np.searchsorted(run.firsts, np.uint64(start), side="right")) :] for run in runs]
    firsts = np.unique(np.concatenate([np.zeros(0, np.uint64), *heads]))
    count = max(_WINDOW_CHUNKS, _CHUNKS_OF_A_RUN * len(runs))
    end = int(firsts[count]) if count < len(firsts) else None
    parts = [run.entries_between(view, start, end) for run in runs]
    source = np.concatenate([np.zeros(0, np.uint64), *(part[0] for part in parts)])
    target = np.concatenate([np.zeros(0, np.uint64), *(part[1] for part in parts)])
    return Window(kernels.sort_mapping(source, target), end)


def windows(view: View, runs: Sequence[Run | StoredRun]) -> Iterator[Mapping]:
    """Yield the effective entries of some runs, uint64 (n,) each, by source."""
    start: int | None = 0
    while start is not None:
        entries, start = window_from(view, runs, start)
        if len(entries[0]):
            yield entries

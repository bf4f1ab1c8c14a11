"""One sorted run of a mapping in memory, with a filter that tells quickly which labels it can't have."""

from __future__ import annotations

import numpy as np
from dvid_labels.types import Labels, Mapping
from numpy.typing import NDArray

from dvid_framework.api import View
from dvid_labelmap.mapping_codec import CHUNK_ENTRIES

__all__ = ["Run", "mixed"]

_SMALL = 2**32 - 1
_FILTERED_ENTRIES = 1 << 16  # shorter runs are searched as quickly as a filter is asked
_MIX = np.uint64(0x9E3779B97F4A7C15)


def mixed(labels: Labels) -> Labels:
    """Return what filters are asked with: the labels, uint64 (n,), with their bits well mixed at the upper end."""
    return labels * _MIX


class Run:
    """Entries sorted by source; it never changes.

    A run that is long has a bit for each eighth of an entry, set where the mixed bits of a source point to: of labels
    that it doesn't have about one in eight is searched for.

    Attributes:
        source: uint64 (n,), strictly ascending.
        target: uint64 (n,), or uint32 if all are small enough.
    """

    __slots__ = ("_bits", "_shift", "source", "target")

    def __init__(self, entries: Mapping) -> None:
        self.source = entries[0]
        small = len(self.source) and entries[1].max() <= _SMALL
        self.target: NDArray[np.uint32 | np.uint64] = entries[1].astype(np.uint32) if small else entries[1]
        self._bits, self._shift = np.zeros(0, np.uint8), np.uint64(0)
        if len(self.source) >= _FILTERED_ENTRIES:
            width = (8 * len(self.source) - 1).bit_length()
            self._shift = np.uint64(64 - width)
            marked = np.zeros(1 << width, bool)
            marked[mixed(self.source) >> self._shift] = True
            self._bits = np.packbits(marked, bitorder="little")

    def __len__(self) -> int:
        return len(self.source)

    @property
    def entries(self) -> Mapping:
        """Source and target, uint64 (n,) each."""
        return self.source, self.target.astype(np.uint64, copy=False)

    def find(self, labels: Labels, mix: Labels, view: View | None = None) -> tuple[NDArray[np.intp], Labels]:
        """Look up labels.

        Args:
            labels: uint64 (n,); quicker if they are sorted.
            mix: `mixed` of them.
            view: not needed.

        Returns:
            Which labels have an entry, by their number, and its target.
        """
        del view
        if len(self._bits):
            spots = mix >> self._shift
            bits = self._bits[spots >> np.uint64(3)] >> (spots & np.uint64(7)).astype(np.uint8)
            numbers = np.flatnonzero(bits & 1)
        else:
            numbers = np.arange(len(labels))
        asked = labels[numbers]
        places = np.minimum(np.searchsorted(self.source, asked), len(self.source) - 1)
        hit = self.source[places] == asked
        return numbers[hit], self.target[places[hit]].astype(np.uint64, copy=False)

    def find_one(self, label: np.uint64, view: View | None = None) -> int | None:
        """Return the target of one label's entry; None without one."""
        del view
        place = int(self.source.searchsorted(label))
        return int(self.target[place]) if place < len(self.source) and self.source[place] == label else None

    def entries_between(self, view: View | None, low: int, high: int | None) -> Mapping:
        """Return the entries from one source on to below another, uint64 (n,) each."""
        del view
        first = int(np.searchsorted(self.source, np.uint64(low)))
        end = len(self.source) if high is None else int(np.searchsorted(self.source, np.uint64(high)))
        return self.source[first:end], self.target[first:end].astype(np.uint64, copy=False)

    @property
    def firsts(self) -> Labels:
        """The source of every so manieth entry: where the run may be cut into windows."""
        return self.source[::CHUNK_ENTRIES]

    @property
    def nbytes(self) -> int:
        """Bytes in memory."""
        return int(self.source.nbytes + self.target.nbytes + self._bits.nbytes)

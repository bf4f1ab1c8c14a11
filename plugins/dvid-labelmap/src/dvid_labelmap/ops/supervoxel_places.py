"""Where the supervoxels of large bodies are: so that a change of a few of them need not read the whole index.

Kept in memory, per version and body, and made at first use. What is kept may name parts of an index that no longer hold
a supervoxel, but never lacks one that does: whatever brings rows to a body adds them here when it is committed.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable, Sequence

import numpy as np
from dvid_labels.types import Labels
from dvid_voxels.geometry import Triple
from numpy.typing import NDArray

from dvid_labelmap.ops.index_rows import ChunkRows, Integers

__all__ = ["SupervoxelPlaces"]

_FEWEST_CHUNKS = 48  # an index of fewer parts is read as quickly as its places are looked up
_MOST_BODIES = 64
_MOST_PAIRS = 32 << 20  # of all bodies together, about 12 bytes each
_MOST_ADDED = 4096


class _Places:
    """Pairs of supervoxels and chunks of one body, and pairs that came later.

    Attributes:
        supervoxels: uint64 (n,), sorted.
        numbers: chunk of each pair, int32 (n,), as a row of `chunks`.
        chunks: chunk coordinates, int64 (c, 3) as x, y, z.
        added: chunks that came later, by supervoxel.
    """

    def __init__(self, chunks: Sequence[Triple], rows: ChunkRows) -> None:
        first = np.ones(len(rows.groups), bool)
        order = np.lexsort((rows.groups, rows.supervoxels))
        names, groups = rows.supervoxels[order], rows.groups[order]
        first[1:] = (names[1:] != names[:-1]) | (groups[1:] != groups[:-1])
        self.supervoxels: Labels = names[first]
        self.numbers: NDArray[np.int32] = groups[first].astype(np.int32)
        self.chunks: Integers = np.array(chunks, np.int64).reshape(-1, 3)
        self.added: dict[int, set[Triple]] = {}
        self.more = 0

    def __len__(self) -> int:
        return len(self.supervoxels) + self.more

    def find(self, supervoxels: Labels) -> set[Triple]:
        """Return the chunks that may hold some of the supervoxels, uint64 (n,)."""
        first, last = (np.searchsorted(self.supervoxels, supervoxels, side) for side in ("left", "right"))
        counts = last - first
        ranks = np.arange(int(counts.sum())) - np.repeat(np.cumsum(counts) - counts, counts)
        numbers = np.unique(self.numbers[np.repeat(first, counts) + ranks])
        found = {(x, y, z) for x, y, z in self.chunks[numbers].tolist()}
        for label in supervoxels.tolist() if self.added else ():
            found |= self.added.get(label, set())
        return found

    def add(self, supervoxels: Labels, chunks: Integers) -> None:
        for label, (x, y, z) in zip(supervoxels.tolist(), chunks.tolist(), strict=True):
            self.added.setdefault(label, set()).add((x, y, z))
        self.more += len(supervoxels)


class SupervoxelPlaces:
    """The places of an instance's supervoxels. Only who holds the turn of a body may ask for them, or keep them."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._known: OrderedDict[tuple[int, int], _Places] = OrderedDict()

    def find(self, version: int, body: int, supervoxels: Labels) -> set[Triple] | None:
        """Return the chunks (x, y, z) that may hold some of a body's supervoxels; None if that is not known.

        Args:
            version: id of the version.
            body: the body.
            supervoxels: uint64 (n,).
        """
        with self._guard:
            places = self._known.get((version, body))
            if places is None:
                return None
            self._known.move_to_end((version, body))
            return places.find(supervoxels)

    def keep(self, version: int, body: int, chunks: Sequence[Triple], rows: ChunkRows) -> None:
        """Keep the whole index of a body, if it is large: its chunks, and their rows."""
        if len(chunks) < _FEWEST_CHUNKS or len(rows.groups) > _MOST_PAIRS:
            return
        places = _Places(chunks, rows)
        with self._guard:
            self._known[version, body] = places
            while len(self._known) > _MOST_BODIES or sum(map(len, self._known.values())) > _MOST_PAIRS:
                self._known.popitem(last=False)

    def add(self, version: int, bodies: Labels, supervoxels: Labels, chunks: Integers) -> None:
        """Add rows that came to bodies of a version, when they are committed.

        Args:
            version: id of the version; of other versions nothing is known of these bodies any more.
            bodies: uint64 (n,).
            supervoxels: uint64 (n,).
            chunks: chunk coordinates, int64 (n, 3) as x, y, z.
        """
        with self._guard:
            for key in [key for key in self._known if (bodies == np.uint64(key[1])).any()]:
                mine = bodies == np.uint64(key[1])
                if key[0] != version or mine.sum() > _MOST_ADDED:
                    del self._known[key]
                else:
                    self._known[key].add(supervoxels[mine], chunks[mine])

    def forget(self, bodies: Iterable[int] | None = None) -> None:
        """Forget bodies at all versions; without a list all that is known."""
        with self._guard:
            gone = None if bodies is None else set(bodies)
            for key in [key for key in self._known if gone is None or key[1] in gone]:
                del self._known[key]

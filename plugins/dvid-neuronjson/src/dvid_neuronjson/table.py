"""The neurons of a version in memory, in step with what is written."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby

from dvid_neuronjson.chunk import CHUNK_NEURONS, Chunk

__all__ = ["Changes", "Table"]

Changes = Mapping[int, bytes | None]
"""Neurons that were written, each with its plain object, or None for one that is gone."""


class Table:
    """All neurons of a version, in chunks; a change gives another table, which shares the chunks that it leaves."""

    def __init__(self, chunks: Sequence[Chunk]) -> None:
        self.chunks = chunks
        self._firsts = [chunk.numbers[0] for chunk in chunks]

    @property
    def nbytes(self) -> int:
        """About how many bytes it takes."""
        return sum(chunk.nbytes for chunk in self.chunks)

    def _place(self, number: int) -> int:
        return max(bisect_right(self._firsts, number) - 1, 0)

    def changed(self, changes: Changes) -> Table:
        """Return the table after neurons were written."""
        chunks: list[Chunk] = []
        done = 0
        for place, numbers in groupby(sorted(changes), self._place):
            chunks += self.chunks[done:place]
            former = self.chunks[place : place + 1]
            objects = dict(zip(former[0].numbers, former[0].objects(), strict=True)) if former else {}
            for number in numbers:
                plain = changes[number]
                if plain is None:
                    objects.pop(number, None)
                else:
                    objects[number] = plain
            chunks += _cut(objects)
            done = place + 1
        chunks += self.chunks[done:]
        return Table(chunks)

    def between(self, first: int, last: int) -> Iterator[tuple[int, bytes]]:
        """Yield the neurons from first to last, both included, with their plain objects."""
        for chunk in self.chunks[self._place(first) :]:
            if chunk.numbers[0] > last:
                return
            for row, number in enumerate(chunk.numbers):
                if first <= number <= last:
                    yield number, chunk.plain(row)


def _cut(objects: Mapping[int, bytes]) -> Iterator[Chunk]:
    """Yield chunks of a few hundred neurons each; what has grown to twice that is cut."""
    numbers = sorted(objects)
    step = len(numbers) if len(numbers) <= 2 * CHUNK_NEURONS else CHUNK_NEURONS
    for at in range(0, len(numbers), step or 1):
        some = numbers[at : at + step]
        yield Chunk(some, [objects[number] for number in some])

"""A few hundred neurons in a row, as they are in memory: ready to be sent, and with indices of the fields asked for.

A chunk never changes; a write makes another one in its place. A set of its neurons is an integer with a bit for each,
so that conditions are put together by `&` and `|`.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from dvid_framework.api import View
from dvid_neuronjson.codec import TIME, USER, Neuron, encode_json, is_meta
from dvid_neuronjson.conditions import Atom, Condition, Query, atoms_of
from dvid_neuronjson.keys import id_of_key, range_of

__all__ = ["CHUNK_NEURONS", "Chunk", "chunks_of", "rows_of"]

CHUNK_NEURONS = 256
_decode_fields = msgspec.json.Decoder(dict[str, Any]).decode
_decode_names = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_ATOM_BYTES = 300  # what an entry of an index takes, about


class _Index:
    """One field of the neurons of a chunk: who has it, and with what."""

    __slots__ = ("atoms", "present")

    def __init__(self, values: Iterable[tuple[int, Any]]) -> None:
        self.present = 0
        self.atoms: dict[Atom, int] = {}
        atoms = self.atoms
        for row, value in values:
            bit = 1 << row
            self.present |= bit
            for atom in atoms_of(value):
                atoms[atom] = atoms.get(atom, 0) | bit

    def matching(self, condition: Condition, everyone: int) -> int:
        """Return the neurons for which a condition holds."""
        if condition.present is not None:
            return self.present if condition.present else everyone & ~self.present
        found, wanted, known = 0, condition.atoms, self.atoms
        if len(wanted) <= len(known):
            for atom in wanted:
                found |= known.get(atom, 0)
        else:
            for atom, rows in known.items():
                if atom in wanted:
                    found |= rows
        if condition.patterns:
            for (kind, value), rows in self.atoms.items():
                if kind == "t" and rows & ~found and condition.matches_text(value):
                    found |= rows
        return found


class Chunk:
    """Neurons in order of their numbers.

    Attributes:
        numbers: of the neurons.
        body: their plain objects, with commas between them.
        ends: where each object ends in it.
        bare: those that have nothing but their number.
    """

    __slots__ = ("_counts", "_indices", "_times", "bare", "body", "ends", "numbers")

    def __init__(self, numbers: Sequence[int], objects: Sequence[bytes | memoryview]) -> None:
        self.numbers = numbers
        self.body = b",".join(objects)
        self.ends: list[int] = []
        self.bare = at = 0
        for row, one in enumerate(objects):
            size = len(one)
            at += size
            self.ends.append(at)
            at += 1
            if size == len(b'{"bodyid":}') + len(str(numbers[row])):
                self.bare |= 1 << row
        self._indices: dict[str, _Index] = {}
        self._counts: Counter[str] | None = None
        self._times: dict[str, str] | None = None

    @property
    def everyone(self) -> int:
        """All its neurons."""
        return (1 << len(self.numbers)) - 1

    @property
    def nbytes(self) -> int:
        """About how many bytes it takes, indices included."""
        indices = sum(len(index.atoms) * _ATOM_BYTES for index in list(self._indices.values()))
        counts = len(self._counts or ()) + len(self._times or ())
        return len(self.body) + 80 * len(self.numbers) + indices + counts * _ATOM_BYTES

    def plain(self, row: int) -> bytes:
        """Return the plain object of a neuron."""
        return self.body[self.ends[row - 1] + 1 if row else 0 : self.ends[row]]

    def objects(self) -> list[bytes]:
        """Return all plain objects."""
        return [self.plain(row) for row in range(len(self.numbers))]

    def neurons(self, view: View) -> Iterator[tuple[int, Neuron]]:
        """Yield its neurons as they are stored, with users and times."""
        if self.numbers:
            for key, value in view.scan(*range_of(self.numbers[0], self.numbers[-1])):
                yield id_of_key(key), Neuron(value)

    def matching(self, queries: Sequence[Query], view: View) -> int:
        """Return the neurons for which one of several queries holds."""
        found, everyone = 0, self.everyone
        for query in queries:
            left = everyone & ~found
            for condition in query:
                if not left:
                    break
                left &= self._matching(condition, view)
            found |= left
        return found

    def _matching(self, condition: Condition, view: View) -> int:
        if condition.field == "bodyid":
            return self._with_numbers(condition)
        index = self._indices.get(condition.field)
        if index is None:
            index = self._indices[condition.field] = _Index(self._values(condition, view))
        return index.matching(condition, self.everyone)

    def _with_numbers(self, condition: Condition) -> int:
        if condition.present is not None:
            return self.everyone if condition.present else 0
        found, numbers, wanted = 0, self.numbers, condition.numbers
        for number in wanted[bisect_left(wanted, numbers[0]) : bisect_right(wanted, numbers[-1])]:
            row = bisect_left(numbers, number)
            if numbers[row] == number:
                found |= 1 << row
        return found

    def _values(self, condition: Condition, view: View) -> Iterator[tuple[int, Any]]:
        """Yield the values of the condition's field, each with its row."""
        field = condition.field
        named = encode_json(field)
        if not is_meta(field):
            if named in self.body:
                yield from condition.values(self.body)
            return
        rows = {number: row for row, number in enumerate(self.numbers)}
        found: list[int] = []
        objects: list[bytes] = []
        for number, neuron in self.neurons(view):
            part = bytes(neuron.users if field.endswith(USER) else neuron.times)
            if named in part:
                found.append(rows[number])
                objects.append(b"{%b}" % part)
        for place, value in condition.values(b",".join(objects)):
            yield found[place], value

    def counts(self, view: View) -> Counter[str]:
        """Return how many neurons have each field, users and times included."""
        if self._counts is None:
            found: Counter[str] = Counter()
            for _, neuron in self.neurons(view):
                found.update(_decode_names(neuron.show(users=True, times=True)).keys())
            self._counts = found
        return self._counts

    def times(self, view: View) -> Mapping[str, str]:
        """Return when each field was set last."""
        if self._times is None:
            found: dict[str, str] = {}
            for _, neuron in self.neurons(view):
                for name, time in _decode_fields(b"{%s}" % neuron.times).items():
                    field = name.removesuffix(TIME)
                    if isinstance(time, str) and time > found.get(field, ""):
                        found[field] = time
            self._times = found
        return self._times


def rows_of(chosen: int) -> Iterator[int]:
    """Yield the rows of a set, in order."""
    while chosen:
        bit = chosen & -chosen
        yield bit.bit_length() - 1
        chosen ^= bit


def chunks_of(view: View, first: bytes, stop: bytes) -> Iterator[Chunk]:
    """Yield the neurons of a version in chunks, read one after the other from its stored state."""
    numbers: list[int] = []
    objects: list[memoryview] = []
    for key, value in view.scan(first, stop):
        numbers.append(id_of_key(key))
        objects.append(Neuron(value).plain)
        if len(numbers) == CHUNK_NEURONS:
            yield Chunk(numbers, objects)
            numbers, objects = [], []
    if numbers:
        yield Chunk(numbers, objects)

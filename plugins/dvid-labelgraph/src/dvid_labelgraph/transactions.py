"""Numbers of transactions, by which clients find out that somebody else changed a vertex."""

from __future__ import annotations

import struct
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from dvid_framework.api import BadRequest
from dvid_labelgraph.keys import LARGEST

__all__ = ["MOST_NUMBERS", "Numbers", "Request", "Wanted", "decode_request", "encode_answer"]

MOST_NUMBERS = 1_000_000
"""How many vertices have a number at once; those that were not asked for the longest time have none again."""
_NUMBER = struct.Struct("<Q")
_MOST_LOCKS = 1000


@dataclass(frozen=True, slots=True)
class Wanted:
    """A property that a request reads or writes.

    Attributes:
        ends: the vertex, or the two of an edge.
        value: what is written.
    """

    ends: tuple[int, ...]
    value: bytes = b""


@dataclass(slots=True)
class Request:
    """What a transaction asks for.

    Attributes:
        numbers: the vertices that it locks, each with the number that the client knows.
        wanted: the properties.
    """

    numbers: list[tuple[int, int]] = field(default_factory=list)
    wanted: list[Wanted] = field(default_factory=list)


class _Reader:
    def __init__(self, body: bytes) -> None:
        self._body = body
        self._at = 0

    def number(self) -> int:
        if len(self._body) - self._at < _NUMBER.size:
            raise BadRequest("the body is cut off: it has uint64 numbers, little-endian, and bytes of properties")
        (value,) = _NUMBER.unpack_from(self._body, self._at)
        self._at += _NUMBER.size
        return int(value)

    def bytes(self, count: int) -> bytes:
        if count > len(self._body) - self._at:
            raise BadRequest("the body is cut off within a property")
        self._at += count
        return self._body[self._at - count : self._at]

    def count(self, each: int) -> int:
        count = self.number()
        if count * each * _NUMBER.size > len(self._body) - self._at:
            raise BadRequest("the body is cut off: it names more than it has")
        return count


def decode_request(body: bytes, of_edges: bool, writes: bool) -> Request:
    """Return what a body asks for.

    Args:
        body: uint64 numbers, little-endian: how many vertices, each with its number; how many properties, each with its
            vertex or its two, and if it is written the count of its bytes and these.
        of_edges: whether the properties are those of edges.
        writes: whether they are written.

    Raises:
        BadRequest: it is cut off, or locks too many vertices.
    """
    reader, request = _Reader(body), Request()
    count = reader.count(2)
    if count > _MOST_LOCKS:
        raise BadRequest(f"a transaction names at most {_MOST_LOCKS} vertices, and not {count}")
    request.numbers = [(reader.number(), reader.number()) for _ in range(count)]
    ends = 2 if of_edges else 1
    for _ in range(reader.count(ends + writes)):
        named = tuple(reader.number() for _ in range(ends))
        request.wanted.append(Wanted(named, reader.bytes(reader.number()) if writes else b""))
    return request


def encode_answer(
    locked: Sequence[tuple[int, int]], failed: Sequence[int], found: Iterable[tuple[Wanted, bytes]] | None
) -> bytes:
    """Return the answer: the vertices that were locked with their numbers, those that were not, and what was read."""

    def parts() -> Iterator[bytes]:
        yield _NUMBER.pack(len(locked))
        for pair in locked:
            yield from map(_NUMBER.pack, pair)
        yield _NUMBER.pack(len(failed))
        yield from map(_NUMBER.pack, failed)
        if found is not None:
            read = list(found)
            yield _NUMBER.pack(len(read))
            for wanted, value in read:
                yield from map(_NUMBER.pack, (*wanted.ends, len(value)))
                yield value

    return b"".join(parts())


class Numbers:
    """The numbers of an instance's vertices, from one counter. A number is given once, also over restarts.

    Args:
        begin: returns the number before the first one, at first use.
    """

    def __init__(self, begin: Callable[[], int]) -> None:
        self._begin = begin
        self._last: int | None = None
        self._numbers: OrderedDict[int, int] = OrderedDict()
        self._lock = threading.Lock()

    def _next(self) -> int:
        self._last = (self._begin() if self._last is None else self._last) + 1
        assert self._last <= LARGEST
        return self._last

    def look_at(self, vertices: Iterable[int]) -> list[tuple[int, int]]:
        """Return vertices with their numbers; one that has none gets the next."""
        with self._lock:
            found = []
            for vertex in vertices:
                if vertex not in self._numbers:
                    self._put(vertex)
                self._numbers.move_to_end(vertex)
                found.append((vertex, self._numbers[vertex]))
            return found

    def holding(self, numbers: Iterable[tuple[int, int]]) -> tuple[list[int], list[int]]:
        """Return the vertices whose numbers are still those, and the others."""
        with self._lock:
            held: dict[int, bool] = {}
            failed: list[int] = []
            for vertex, number in numbers:
                if vertex not in held and self._numbers.get(vertex) == number:
                    held[vertex] = True
                else:
                    failed.append(vertex)
            return list(held), failed

    def advance(self, vertices: Iterable[int]) -> list[tuple[int, int]]:
        """Give vertices the next numbers; return them with these."""
        with self._lock:
            found = []
            for vertex in vertices:
                self._put(vertex)
                found.append((vertex, self._numbers[vertex]))
            return found

    def _put(self, vertex: int) -> None:
        self._numbers[vertex] = self._next()
        self._numbers.move_to_end(vertex)
        if len(self._numbers) > MOST_NUMBERS:
            self._numbers.popitem(last=False)

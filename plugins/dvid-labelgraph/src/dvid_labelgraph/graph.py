"""One state of a graph, and the changes that a transaction makes to it."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from math import isfinite

from dvid_framework.api import BadRequest, Txn, View
from dvid_labelgraph.keys import (
    after,
    edge_key,
    ends_of_key,
    properties_of,
    reverse_key,
    vertex_key,
    vertex_of_key,
)

__all__ = ["Changes", "Stored"]

_WEIGHT = struct.Struct("<d")
_pack, _unpack = _WEIGHT.pack, _WEIGHT.unpack
Ends = tuple[int, int]


def _check(weight: float) -> None:
    if not isfinite(weight):
        raise BadRequest("the sum of weights is larger than a double can be")


def _behind(vertex: int) -> bytes:
    return vertex.to_bytes(8, "big")


class Stored:
    """A graph as a version has it."""

    def __init__(self, view: View) -> None:
        self._view = view

    def weight(self, vertex: int) -> float | None:
        """Return the weight of a vertex; None if it is not there."""
        value = self._view.get(vertex_key(vertex))
        return None if value is None else float(_unpack(value)[0])

    def edge(self, one: int, other: int) -> float | None:
        """Return the weight of an edge; None if it is not there."""
        value = self._view.get(edge_key(one, other))
        return None if value is None else float(_unpack(value)[0])

    def reverse(self, one: int, other: int) -> float | None:
        """Return the weight of an edge as its larger vertex has it; None if it is not there."""
        value = self._view.get(reverse_key(one, other))
        return None if value is None else float(_unpack(value)[0])

    def reversed_edges(self) -> Iterator[Ends]:
        """Yield all edges as their larger vertices have them: these come first."""
        return map(ends_of_key, self._view.keys(b"r", b"s"))

    def vertices(self) -> Iterator[tuple[int, float]]:
        """Yield all vertices with their weights, in order."""
        for key, value in self._view.scan(b"v", b"w"):
            yield vertex_of_key(key), float(_unpack(value)[0])

    def edges(self) -> Iterator[tuple[Ends, float]]:
        """Yield all edges with their weights, in order of the smaller and then of the larger vertex."""
        for key, value in self._view.scan(b"e", b"f"):
            yield ends_of_key(key), float(_unpack(value)[0])

    def neighbours(self, vertex: int) -> Iterator[tuple[int, float]]:
        """Yield the neighbours of a vertex with the weights of the edges to them, in order."""
        for kind in (b"r", b"e"):  # at first the smaller ones
            prefix = kind + _behind(vertex)
            for key, value in self._view.scan(prefix, after(prefix)):
                yield ends_of_key(key)[1], float(_unpack(value)[0])

    def property_keys(self, one: int, other: int | None = None) -> Iterator[bytes]:
        """Yield the keys of the properties of a vertex, or of an edge."""
        prefix = properties_of(one, other)
        return self._view.keys(prefix, after(prefix))

    def all_keys(self) -> Iterator[bytes]:
        """Yield the keys of all that there is."""
        return self._view.keys()


class Changes:
    """What one request changes: what was changed before is seen by what comes after it.

    Args:
        stored: the graph before.
        txn: where it is written.
    """

    def __init__(self, stored: Stored, txn: Txn) -> None:
        self._stored = stored
        self._txn = txn
        self._vertices: dict[int, float | None] = {}

    def weight(self, vertex: int) -> float | None:
        """Return the weight of a vertex now; None if it is not there."""
        return self._vertices[vertex] if vertex in self._vertices else self._stored.weight(vertex)

    def put_vertex(self, vertex: int, weight: float) -> None:
        """Set the weight of a vertex, which is made if it is not there.

        Raises:
            BadRequest: it is larger than a double can be.
        """
        _check(weight)
        self._vertices[vertex] = weight
        self._txn.put(vertex_key(vertex), _pack(weight))

    def put_edge(self, one: int, other: int, weight: float) -> None:
        """Set the weight of an edge, which is made if it is not there.

        Raises:
            BadRequest: one of its vertices is not there, or the weight is larger than a double can be.
        """
        for vertex in (one, other):
            if self.weight(vertex) is None:
                raise BadRequest(f"there is no vertex {vertex}, so there can be no edge to it")
        _check(weight)
        self._txn.put(edge_key(one, other), _pack(weight))
        self._txn.put(reverse_key(one, other), _pack(weight))

    def delete_vertex(self, vertex: int) -> None:
        """Take away a vertex with its edges and properties, if it is there."""
        if self.weight(vertex) is None:
            return
        for neighbour, _ in self._stored.neighbours(vertex):
            self.delete_edge(vertex, neighbour)
        for key in self._stored.property_keys(vertex):
            self._txn.delete(key)
        self._vertices[vertex] = None
        self._txn.delete(vertex_key(vertex))

    def delete_edge(self, one: int, other: int) -> None:
        """Take away an edge with its properties, if it is there."""
        if self._stored.edge(one, other) is None:
            return
        for key in self._stored.property_keys(one, other):
            self._txn.delete(key)
        self._txn.delete(edge_key(one, other))
        self._txn.delete(reverse_key(one, other))

    def delete_all(self) -> None:
        """Take away everything."""
        for key in self._stored.all_keys():
            self._txn.delete(key)

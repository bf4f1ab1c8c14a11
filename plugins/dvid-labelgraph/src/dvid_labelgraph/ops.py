"""The operations on graphs."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, islice

import msgspec

from dvid_framework.api import BadRequest, json_joined
from dvid_labelgraph.graph import Changes, Stored
from dvid_labelgraph.model import Edge, Graph, Vertex

__all__ = [
    "MOST_VERTICES",
    "add_graph",
    "add_weights",
    "delete_graph",
    "merge_vertices",
    "neighbours",
    "part",
    "vertices_of",
    "whole",
]

MOST_VERTICES = 1000
"""How many vertices one transaction may name."""
_AT_ONCE = 5000
_encode = msgspec.json.Encoder().encode
Part = bytes | memoryview


def _pieces(found: Iterator[Vertex] | Iterator[Edge]) -> Iterator[bytes]:
    """Yield elements of a JSON list, some at a time with commas between them."""
    while held := list(islice(found, _AT_ONCE)):
        yield _encode(held)[1:-1]


def whole(stored: Stored) -> Iterator[Part]:
    """Yield the JSON of a whole graph, in pieces."""
    vertices = _pieces(Vertex(vertex, weight) for vertex, weight in stored.vertices())
    edges = _pieces(Edge(one, other, weight) for (one, other), weight in stored.edges())
    yield b'{"Transactions":[],"Vertices":'
    yield from json_joined(vertices)
    yield b',"Edges":'
    yield from json_joined(edges, end=b"]}", none=b"[]}")


def _known_weight(stored: Stored, vertex: int) -> float:
    weight = stored.weight(vertex)
    if weight is None:
        raise BadRequest(f"there is no vertex {vertex}")
    return weight


def _edge(one: int, other: int, weight: float) -> Edge:
    return Edge(min(one, other), max(one, other), weight)


def part(stored: Stored, wanted: Graph) -> Iterator[Part]:
    """Yield the JSON of some vertices and all of their edges, each edge once, in pieces.

    Raises:
        BadRequest: a vertex is not there.
    """
    labels = [vertex.id for vertex in wanted.vertices]
    vertices = [Vertex(label, _known_weight(stored, label)) for label in labels]

    def edges() -> Iterator[Edge]:
        done: set[int] = set()
        for label in labels:
            done.add(label)
            for neighbour, weight in stored.neighbours(label):
                if neighbour not in done:
                    yield _edge(label, neighbour, weight)

    yield b'{"Transactions":[],"Vertices":' + _encode(vertices) + b',"Edges":'
    yield from json_joined(_pieces(edges()), end=b"]}", none=b"[]}")


def neighbours(stored: Stored, vertex: int) -> Iterator[Part]:
    """Yield the JSON of a vertex, its neighbours and the edges to them, in pieces: there may be millions.

    Raises:
        BadRequest: it is not there.
    """
    own = Vertex(vertex, _known_weight(stored, vertex))
    others = (Vertex(one, _known_weight(stored, one)) for one, _ in stored.neighbours(vertex))
    edges = _pieces(_edge(vertex, one, weight) for one, weight in stored.neighbours(vertex))
    yield b'{"Transactions":null,"Vertices":'
    yield from json_joined(_pieces(chain((own,), others)))
    yield from json_joined(edges, b',"Edges":[', b"]}", b',"Edges":null}')


def add_graph(changes: Changes, graph: Graph) -> None:
    """Add vertices and edges; of those that are there the weights are set.

    Raises:
        BadRequest: an edge lacks a vertex.
    """
    for vertex in graph.vertices:
        changes.put_vertex(vertex.id, vertex.weight)
    for edge in graph.edges:
        changes.put_edge(*edge.ends, edge.weight)


def delete_graph(changes: Changes, graph: Graph) -> None:
    """Take away vertices with their edges, and edges; everything, if none is named. What is not there is no error."""
    if not graph.vertices and not graph.edges:
        changes.delete_all()
        return
    for vertex in graph.vertices:
        changes.delete_vertex(vertex.id)
    for edge in graph.edges:
        changes.delete_edge(*edge.ends)


def vertices_of(graph: Graph) -> list[int]:
    """Return the vertices that a graph names, in order of their appearance.

    Raises:
        BadRequest: they are more than one transaction may name.
    """
    named = [vertex.id for vertex in graph.vertices]
    named += [end for edge in graph.edges for end in edge.ends]
    found = list(dict.fromkeys(named))
    if len(found) > MOST_VERTICES:
        raise BadRequest(f"a transaction names at most {MOST_VERTICES} vertices, and not {len(found)}")
    return found


def add_weights(stored: Stored, changes: Changes, graph: Graph) -> None:
    """Add to the weights of vertices and edges, which are made if they are not there.

    Raises:
        BadRequest: an edge lacks a vertex.
    """
    for vertex in graph.vertices:
        changes.put_vertex(vertex.id, (changes.weight(vertex.id) or 0.0) + vertex.weight)
    for edge in graph.edges:
        changes.put_edge(*edge.ends, (stored.edge(*edge.ends) or 0.0) + edge.weight)


def merge_vertices(stored: Stored, changes: Changes, graph: Graph) -> None:
    """Merge vertices into the last of them: weights of vertices, and of edges to each neighbour, are added up.

    A weight that the request gives counts instead: of the last vertex if it is not 0, and of its edges to neighbours.
    The others go with their edges and properties; those of the last one and of its edges stay.

    Raises:
        BadRequest: there are less than two, or one is not there.
    """
    if len(graph.vertices) < 2:
        raise BadRequest("a merge needs two vertices at least: it merges all into the last of them")
    labels = [vertex.id for vertex in graph.vertices]
    kept = graph.vertices[-1]
    weight = sum(_known_weight(stored, label) for label in labels)
    merged, sums = set(labels), dict[int, float]()
    for label in labels:
        for neighbour, between in stored.neighbours(label):
            if neighbour not in merged:
                sums[neighbour] = sums.get(neighbour, 0.0) + between
    for edge in graph.edges:
        if kept.id in edge.ends:
            neighbour = edge.ends[0] if edge.ends[1] == kept.id else edge.ends[1]
            if neighbour in sums:
                sums[neighbour] = edge.weight
    for label in labels[:-1]:
        changes.delete_vertex(label)
    changes.put_vertex(kept.id, kept.weight or weight)
    for neighbour, between in sums.items():
        changes.put_edge(kept.id, neighbour, between)

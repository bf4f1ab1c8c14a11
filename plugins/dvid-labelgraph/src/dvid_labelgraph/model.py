"""Graphs as they are sent: JSON with `Vertices` and `Edges`."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from dvid_framework.api import BadRequest

__all__ = ["Edge", "Graph", "Vertex", "decode_graph"]

_Label = Annotated[int, msgspec.Meta(ge=1)]
_LARGEST = (1 << 64) - 1


class Vertex(msgspec.Struct):
    """A vertex and its weight."""

    id: _Label = msgspec.field(name="Id")
    weight: float = msgspec.field(name="Weight", default=0.0)


class Edge(msgspec.Struct):
    """An edge between two vertices, in any order, and its weight."""

    one: _Label = msgspec.field(name="Id1")
    other: _Label = msgspec.field(name="Id2")
    weight: float = msgspec.field(name="Weight", default=0.0)

    @property
    def ends(self) -> tuple[int, int]:
        """Its vertices, the smaller one first."""
        return (self.one, self.other) if self.one < self.other else (self.other, self.one)


class Graph(msgspec.Struct):
    """Vertices and edges."""

    vertices: list[Vertex] = msgspec.field(name="Vertices")
    edges: list[Edge] = msgspec.field(name="Edges")
    transactions: list[Any] | None = msgspec.field(name="Transactions", default=None)


class _Lax(msgspec.Struct):
    """A graph of which a list may be missing."""

    vertices: list[Vertex] | None = msgspec.field(name="Vertices", default=None)
    edges: list[Edge] | None = msgspec.field(name="Edges", default=None)


_decode_graph = msgspec.json.Decoder(Graph).decode
_decode_lax = msgspec.json.Decoder(_Lax).decode


def decode_graph(body: bytes, unchecked: bool = False) -> Graph:
    """Return the graph of a body.

    Args:
        body: JSON.
        unchecked: lists may be missing and name things twice.

    Raises:
        BadRequest: it is no such graph.
    """
    try:
        if unchecked:
            lax = _decode_lax(body)
            graph = Graph(lax.vertices or [], lax.edges or [])
        else:
            graph = _decode_graph(body)
    except (msgspec.MsgspecError, RecursionError, ValueError) as error:
        raise BadRequest(f"the body is not the graph that is wanted: {error}") from error
    for edge in graph.edges:
        if edge.one == edge.other:
            raise BadRequest(f"an edge is between two vertices, and not from {edge.one} to itself")
    labels = [vertex.id for vertex in graph.vertices]
    if max([*labels, *(edge.ends[1] for edge in graph.edges)], default=0) > _LARGEST:
        raise BadRequest(f"a vertex is a number from 1 to {_LARGEST}")
    if not unchecked and (
        len(set(labels)) < len(labels) or len({edge.ends for edge in graph.edges}) < len(graph.edges)
    ):
        raise BadRequest("the graph names a vertex or an edge twice")
    return graph

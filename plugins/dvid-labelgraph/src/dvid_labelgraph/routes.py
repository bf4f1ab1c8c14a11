"""The HTTP addresses below an instance."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from functools import partial

from dvid_framework.api import (
    Answer,
    BadRequest,
    FromPath,
    FromQuery,
    InstanceRequest,
    NotFound,
    binary,
    delete,
    empty,
    get,
    holding_json,
    in_pieces,
    post,
    whole_or_pieces,
)
from dvid_labelgraph import ops
from dvid_labelgraph.graph import Changes, Stored
from dvid_labelgraph.instance import GraphInstance
from dvid_labelgraph.keys import parse_vertex, property_key
from dvid_labelgraph.model import Graph, decode_graph
from dvid_labelgraph.transactions import decode_request

__all__ = ["ROUTES"]

_JSON = "application/json"
_BODY_BYTES = 256 << 20
_Request = InstanceRequest[GraphInstance]


@asynccontextmanager
async def _graph_of(request: _Request, *, unsafe: bool = False, optional: bool = False) -> AsyncIterator[Graph]:
    """Give the graph of the body, and hold its memory; an empty one where no body is needed and none came."""
    body = await request.read_body(_BODY_BYTES)
    with holding_json(request, body):
        yield Graph([], []) if optional and not body.strip() else await request.run(decode_graph, body, unsafe)


async def _change(request: _Request, action: str, change: Callable[[Stored, Changes], None]) -> Answer:
    begin = partial(request.begin, durable=False)

    def write() -> None:
        with request.instance.changing(request.version, begin, action) as (stored, changes):
            change(stored, changes)

    await request.run(write)
    return empty()


@get("/subgraph")
async def get_subgraph(request: _Request) -> Answer:
    """Return the whole graph: `{"Transactions":[],"Vertices":[{"Id":1,"Weight":2.5}],"Edges":[{"Id1":1,"Id2":2,...}]}`.

    With such a graph as the body only its vertices, and all of their edges, also those to other vertices. In an edge
    the smaller vertex comes first.
    """
    async with _graph_of(request, optional=True) as wanted:

        def make() -> Iterator[bytes | memoryview]:
            stored = Stored(request.view)
            return in_pieces(ops.part(stored, wanted) if wanted.vertices else ops.whole(stored))

        return await whole_or_pieces(request, make, _JSON)


@post("/subgraph")
async def post_subgraph(request: _Request, unsafe: FromQuery[str | None] = None) -> Answer:
    """Add the vertices and edges of the body, a graph: all or none. What is there already gets the new weight.

    Both vertices of an edge must be there, or in the body. With `unsafe=true` a list may be missing, or name one twice.
    """
    del unsafe
    async with _graph_of(request, unsafe=request.flag("unsafe")) as graph:
        return await _change(request, "postsubgraph", lambda _, changes: ops.add_graph(changes, graph))


@delete("/subgraph")
async def delete_subgraph(request: _Request, unsafe: FromQuery[str | None] = None) -> Answer:
    """Take away the vertices of the body, a graph, with their edges and properties, and its edges with theirs.

    Without a body, or with empty lists, everything. What is not there is no error.
    """
    del unsafe
    async with _graph_of(request, unsafe=request.flag("unsafe"), optional=True) as graph:
        return await _change(request, "deletesubgraph", lambda _, changes: ops.delete_graph(changes, graph))


@get("/neighbors/{vertex:str}")
async def get_neighbors(request: _Request, vertex: FromPath[str]) -> Answer:
    """Return a graph of a vertex, its neighbours, and the edges to them."""
    label = parse_vertex(vertex)
    return await whole_or_pieces(request, lambda: in_pieces(ops.neighbours(Stored(request.view), label)), _JSON)


@post("/weight")
async def post_weight(request: _Request) -> Answer:
    """Add the weights of the body, a graph of at most 1000 vertices, to those of the graph.

    Vertices and edges that are not there are made; both vertices of an edge must be there, or in the body.
    """
    async with _graph_of(request) as graph:
        named = ops.vertices_of(graph)
        answer = await _change(request, "postweight", lambda stored, changes: ops.add_weights(stored, changes, graph))
    await request.run(request.instance.numbers.look_at, named)
    return answer


@post("/merge")
async def post_merge(request: _Request) -> Answer:
    """Merge the vertices of the body, a graph, into the last of them. `merge/nohistory` is the same.

    Its weight becomes the sum of theirs, or what the body gives it if that is not 0. To each neighbour of any of them
    it gets an edge with the sum of their weights, or with that of such an edge in the body. The others go with their
    edges and properties; the properties of the last one stay.
    """
    async with _graph_of(request) as graph:
        return await _change(request, "merge", lambda stored, changes: ops.merge_vertices(stored, changes, graph))


def _named(request: _Request) -> tuple[tuple[int, ...], bytes]:
    """Return the vertex, or the two of an edge, and the key of the property that an address names."""
    *vertices, name = request.call.segments[1:]
    if len(vertices) not in (1, 2):
        raise BadRequest("a property is named by a vertex and its name, or by two vertices and its name")
    ends = tuple(parse_vertex(vertex) for vertex in vertices)
    return ends, property_key(name, *ends)


@get("/property/{vertex:str}/{name:str}")
async def get_property(request: _Request) -> Answer:
    """Return a property of a vertex as it was posted, or 404; `property/<vertex>/<vertex>/<name>` is one of an edge."""
    ends, key = _named(request)
    value = request.view.get(key)
    if value is None:
        raise NotFound(f"there is no such property of {' and '.join(map(str, ends))}")
    return binary(value)


@post("/property/{vertex:str}/{name:str}")
async def post_property(request: _Request) -> Answer:
    """Set a property of a vertex to the bytes of the body; `property/<vertex>/<vertex>/<name>` is one of an edge."""
    ends, key = _named(request)
    body, instance = await request.read_body(), request.instance

    def write() -> None:
        with instance.lock, instance.view(request.version) as view, request.begin() as txn:
            stored = Stored(view)
            if (stored.weight(ends[0]) if len(ends) == 1 else stored.edge(*ends)) is None:
                raise BadRequest(f"there is no {'vertex' if len(ends) == 1 else 'edge'} {' '.join(map(str, ends))}")
            txn.put(key, body)
            txn.emit("postproperty", Bytes=len(body))
            txn.mark_internal()

    await request.run(write)
    return empty()


@delete("/property/{vertex:str}/{name:str}")
async def delete_property(request: _Request) -> Answer:
    """Take away a property of a vertex, or of an edge; it is no error if it is not there."""
    _, key = _named(request)

    def write() -> None:
        with request.instance.lock, request.begin() as txn:
            txn.delete(key)
            txn.emit("deleteproperty")
            txn.mark_internal()

    await request.run(write)
    return empty()


def _of_edges(kind: str) -> bool:
    if kind not in ("vertices", "edges"):
        raise BadRequest(f"a transaction is about properties of vertices or of edges, and not of {kind[:40]!r}")
    return kind == "edges"


@get("/propertytransaction/{kind:str}/{name:str}", also=())
async def read_properties(request: _Request, kind: FromPath[str], name: FromPath[str]) -> Answer:
    """Read a property of several vertices (`vertices`) or edges (`edges`), with the numbers of transactions.

    All numbers are uint64, little-endian. The body: how many vertices are locked, at most 1000, then for each its label
    and 0; how many properties, then for each its vertex or its two. The answer: how many were locked, then for each its
    label and the number of its last transaction; how many could not be locked, and their labels; how many properties,
    then for each its vertex or its two, the count of its bytes, and these. A property of vertices that are not locked
    is left out.
    """
    of_edges = _of_edges(kind)
    body, view = await request.read_body(_BODY_BYTES), request.view

    def read() -> bytes:
        return request.instance.read_properties(view, decode_request(body, of_edges, writes=False), name)

    return binary(await request.run(read))


@post("/propertytransaction/{kind:str}/{name:str}")
async def write_properties(request: _Request, kind: FromPath[str], name: FromPath[str]) -> Answer:
    """Write a property of several vertices (`vertices`) or edges (`edges`) if nobody else did since it was read.

    The body is that of GET, with the number of each vertex that GET or the last POST told in place of 0, and behind
    each vertex or two of a property the count of its bytes and these; one of no bytes is left as it is. The answer is
    that of GET without the properties. A vertex whose number is another one by now is not locked, and the properties
    of such vertices are not written; the others get new numbers. After a restart of the server no number holds.
    """
    of_edges = _of_edges(kind)
    body, instance = await request.read_body(_BODY_BYTES), request.instance

    def write() -> bytes:
        asked = decode_request(body, of_edges, writes=True)
        return instance.write_properties(request.version, request.begin, asked, name)

    return binary(await request.run(write))


ROUTES = (
    get_subgraph,
    post_subgraph,
    delete_subgraph,
    get_neighbors,
    post_weight,
    post_merge,
    get_property,
    post_property,
    delete_property,
    read_properties,
    write_properties,
)

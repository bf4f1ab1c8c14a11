"""Graphs against plain dictionaries, and what is refused."""

from __future__ import annotations

import os
import random
from typing import Any

import pytest
from dvid_labelgraph.keys import edge_key, reverse_key, vertex_key

Vertices = dict[int, float]
Edges = dict[tuple[int, int], float]


def graph_of(vertices: Vertices, edges: Edges) -> dict[str, Any]:
    return {
        "Vertices": [{"Id": one, "Weight": weight} for one, weight in vertices.items()],
        "Edges": [{"Id1": one, "Id2": other, "Weight": weight} for (one, other), weight in edges.items()],
    }


FIVE: Vertices = {1: 2.5, 2: 10.25, 3: 1, 4: 0.5, 9: 0}
FOUR: Edges = {(1, 2): 10, (1, 3): 1, (2, 3): 4, (3, 4): 7}


def test_a_graph_comes_back(graph) -> None:
    assert graph.whole() == ({}, {})
    assert graph.post("subgraph", graph_of(FIVE, {(2, 1): 10, (1, 3): 1, (3, 2): 4, (3, 4): 7})).ok().body == b""
    assert graph.whole() == (FIVE, FOUR)
    assert graph.near(3) == ({3: 1, 1: 2.5, 2: 10.25, 4: 0.5}, {(1, 3): 1, (2, 3): 4, (3, 4): 7})
    part = graph.get("subgraph", graph_of({4: 0, 1: 0, 3: 0}, {})).ok().json()
    assert [one["Id"] for one in part["Vertices"]] == [4, 1, 3]
    assert len(part["Edges"]) == 4
    assert part["Transactions"] == []
    assert graph.get("neighbors/9").ok().json() == {
        "Transactions": None,
        "Vertices": [{"Id": 9, "Weight": 0}],
        "Edges": None,
    }


def test_posting_again_sets_weights_and_nothing_else(graph) -> None:
    graph.post("subgraph", graph_of(FIVE, FOUR)).ok()
    graph.post("property/1/p", b"x").ok()
    graph.post("property/1/2/p", b"y").ok()
    graph.post("subgraph", graph_of({1: 7}, {(1, 2): 8})).ok()
    assert graph.near(1) == ({1: 7, 2: 10.25, 3: 1}, {(1, 2): 8, (1, 3): 1})
    assert (graph.get("property/1/p").body, graph.get("property/2/1/p").body) == (b"x", b"y")


BAD = (
    "junk",
    "[]",
    "{}",
    '{"Vertices":[]}',
    '{"Edges":[]}',
    '{"Vertices":null,"Edges":[]}',
    '{"Vertices":[{"Weight":1}],"Edges":[]}',
    '{"Vertices":[{"Id":1.5}],"Edges":[]}',
    '{"Vertices":[{"Id":-1}],"Edges":[]}',
    '{"Vertices":[{"Id":0}],"Edges":[]}',
    '{"Vertices":[{"Id":"1"}],"Edges":[]}',
    '{"Vertices":[{"Id":18446744073709551616}],"Edges":[]}',
    '{"Vertices":[{"Id":1,"Weight":1e999}],"Edges":[]}',
    '{"Vertices":[{"Id":1},{"Id":1}],"Edges":[]}',
    '{"Vertices":[],"Edges":[{"Id1":1}]}',
    '{"Vertices":[],"Edges":[{"Id1":1,"Id2":2},{"Id1":2,"Id2":1}]}',
    '{"Vertices":[],"Edges":[{"Id1":1,"Id2":1}]}',
    '{"Vertices":' + "[" * 50_000,
)


@pytest.mark.parametrize("what", ["subgraph", "weight", "merge"])
def test_bad_graphs_are_refused_and_change_nothing(graph, what: str) -> None:
    graph.post("subgraph", graph_of(FIVE, FOUR)).ok()
    for bad in BAD:
        assert graph.post(what, bad).status == 400, bad[:80]
        assert what != "subgraph" or graph.get("subgraph", bad).status == 400
    half = graph_of({50: 1}, {(1, 2): 77, (1, 999): 1})
    assert graph.post("subgraph", half).status == graph.post("weight", half).status == 400
    assert graph.send("PUT", "subgraph", b"{}").status == 400
    assert graph.whole() == (FIVE, FOUR)


def test_what_is_not_there(graph) -> None:
    graph.post("subgraph", graph_of(FIVE, FOUR)).ok()
    for rest in ("neighbors/77", "neighbors/a", "neighbors/0", "neighbors", "neighbors/", "undomerge", "merge"):
        assert graph.get(rest).status == 400, rest
    assert graph.post("neighbors/1").status == graph.post("undomerge").status == 400
    assert graph.get("subgraph", graph_of({77: 0}, {})).status == 400
    assert graph.get("property/1/none").status == graph.get("property/77/p").status == 404
    assert graph.post("property/77/p", b"x").status == graph.post("property/1/4/p", b"x").status == 400
    for rest in ("property/a/p", "property/1", "property/1/2/3/4", "property/1/b/p", "property/0/p"):
        assert graph.get(rest).status == graph.post(rest, b"x").status == graph.send("DELETE", rest).status == 400
    graph.send("DELETE", "property/1/none").ok()
    graph.send("DELETE", "subgraph", graph_of({77: 0}, {(1, 4): 0, (77, 78): 0})).ok()
    assert graph.whole() == (FIVE, FOUR)


def test_properties_go_with_what_they_belong_to(graph) -> None:
    graph.post("subgraph", graph_of(FIVE, FOUR)).ok()
    for rest in ("property/3/p", "property/1/3/p", "property/1/2/p%20q", "property/1/p", "property/4/p"):
        graph.post(rest, rest.encode()).ok()
        assert graph.get(rest).ok().body == rest.encode()
    graph.send("DELETE", "subgraph", graph_of({3: 0}, {(1, 2): 0})).ok()
    assert graph.whole() == ({1: 2.5, 2: 10.25, 4: 0.5, 9: 0}, {})
    graph.post("subgraph", graph_of({3: 0}, {(1, 3): 1, (1, 2): 1})).ok()
    for rest in ("property/3/p", "property/1/3/p", "property/1/2/p%20q"):
        assert graph.get(rest).status == 404
    assert graph.get("property/1/p").status == graph.get("property/4/p").status == 200
    graph.send("DELETE", "subgraph").ok()
    assert graph.whole() == ({}, {})
    assert graph.get("property/1/p").status == 404


def merged(vertices: Vertices, edges: Edges, labels: list[int], given: float, set_to: Edges) -> None:
    kept, sums = labels[-1], dict[int, float]()
    for (one, other), weight in list(edges.items()):
        inside = {one, other} & set(labels)
        if inside:
            del edges[one, other]
        if len(inside) == 1:
            neighbour = ({one, other} - inside).pop()
            sums[neighbour] = sums.get(neighbour, 0) + weight
    for (one, other), weight in set_to.items():
        neighbour = other if one == kept else one
        if kept in (one, other) and neighbour in sums:
            sums[neighbour] = weight
    total = sum(vertices[label] for label in labels)
    for label in labels[:-1]:
        del vertices[label]
    vertices[kept] = given or total
    for neighbour, weight in sums.items():
        edges[min(kept, neighbour), max(kept, neighbour)] = weight


def add(rng: random.Random, graph: Any, vertices: Vertices, edges: Edges, sums: bool) -> None:
    added = {label: float(rng.randint(0, 9)) for label in rng.sample(range(1, 15), rng.randint(1, 4))}
    known = sorted({*added, *vertices})
    chosen = [sorted(rng.sample(known, 2)) for _ in range(3) if len(known) > 1]
    pairs = {(one, other): float(rng.randint(0, 9)) for one, other in chosen}
    graph.post("weight" if sums else "subgraph", graph_of(added, pairs)).ok()
    for label, weight in added.items():
        vertices[label] = weight + (vertices.get(label, 0) if sums else 0)
    for pair, weight in pairs.items():
        edges[pair] = weight + (edges.get(pair, 0) if sums else 0)


def take_away(rng: random.Random, graph: Any, vertices: Vertices, edges: Edges) -> None:
    labels = rng.sample(range(1, 15), 2)
    pairs = rng.sample(sorted(edges), min(2, len(edges)))
    graph.send("DELETE", "subgraph", graph_of(dict.fromkeys(labels, 0.0), dict.fromkeys(pairs, 0.0))).ok()
    for label in labels:
        vertices.pop(label, None)
    for pair in [pair for pair in edges if pair in pairs or set(pair) & set(labels)]:
        del edges[pair]


def merge(rng: random.Random, graph: Any, vertices: Vertices, edges: Edges) -> None:
    labels = rng.sample(sorted(vertices), rng.randint(2, min(4, len(vertices))))
    given = rng.choice((0.0, 5.0))
    other = rng.choice(sorted(vertices))
    set_to = {(labels[-1], 30): 1.0} | ({} if other == labels[-1] else {(other, labels[-1]): 3.0})
    named = {label: given if label == labels[-1] else 1.0 for label in labels}
    graph.post("merge", graph_of(named, set_to)).ok()
    merged(vertices, edges, labels, given, set_to)


def test_a_random_walk(server, graph) -> None:
    rng = random.Random(5)
    versions: list[tuple[Any, Vertices, Edges]] = [(graph, {}, {})]
    for number in range(int(os.environ.get("DVID_MODEL_STEPS", "80"))):
        here, vertices, edges = rng.choice(versions)
        what = rng.random()
        if what < 0.6 or len(vertices) < 3:
            add(rng, here, vertices, edges, sums=what < 0.3)
        elif what < 0.8:
            take_away(rng, here, vertices, edges)
        else:
            merge(rng, here, vertices, edges)
        assert here.whole() == (vertices, edges)
        for label in rng.sample(sorted(vertices), min(2, len(vertices))):
            near = {pair: weight for pair, weight in edges.items() if label in pair}
            labels = {label, *(end for pair in near for end in pair)}
            assert here.near(label) == ({one: vertices[one] for one in labels}, near)
        if number % 30 == 20 and len(versions) < 3:
            here.client.commit(here.uuid)
            versions = [one for one in versions if one[0] is not here]
            for branch in (None, f"b{number}"):
                child = graph.by(server.client).at(server.client.child(here.uuid, branch))
                versions.append((child, dict(vertices), dict(edges)))
        if number % 40 == 39:
            server.restart()
            for one, _, _ in versions:
                one.client = server.client


def test_damage_is_named(server, graph) -> None:
    graph.post("subgraph", graph_of(FIVE, FOUR)).ok()
    repo, version = server.server.repos.find(graph.uuid)
    instance = server.server.instances.get(repo, "lg")
    assert list(instance.check(version)) == []
    with instance.begin(version) as txn:
        txn.delete(vertex_key(1))
        txn.delete(reverse_key(2, 3))
        txn.delete(edge_key(3, 4))
    assert sorted(instance.check(version)) == [
        "the edge between 1 and 2 lacks a vertex",
        "the edge between 1 and 3 lacks a vertex",
        "the edge between 2 and 3 is another one seen from 3",
        "the edge between 3 and 4 is not seen from 3",
    ]


def test_long_graphs_are_sent_in_pieces(graph) -> None:
    vertices = dict.fromkeys(range(1, 12_001), 1.0)
    edges = {(label, label + 1): 2.0 for label in range(1, 12_000)}
    graph.post("subgraph", graph_of(vertices, edges)).ok()
    assert graph.whole() == (vertices, edges)
    assert graph.post("weight", graph_of(dict.fromkeys(range(1, 1002), 1.0), {})).status == 400
    graph.post("weight", graph_of(dict.fromkeys(range(1, 1001), 1.0), {})).ok()
    assert graph.near(1)[0] == {1: 2.0, 2: 2.0}


def test_a_vertex_of_many_neighbours(graph) -> None:
    vertices = {label: float(label) for label in range(1, 12_002)}
    edges = {(1, label): 0.5 for label in range(2, 12_002)}
    graph.post("subgraph", graph_of(vertices, edges)).ok()
    assert graph.near(1) == (vertices, edges)
    assert graph.near(7) == ({1: 1.0, 7: 7.0}, {(1, 7): 0.5})
    graph.post("subgraph", graph_of({20_000: 1.0}, {})).ok()
    assert graph.json("neighbors/20000") == {
        "Transactions": None,
        "Vertices": [{"Id": 20_000, "Weight": 1.0}],
        "Edges": None,
    }
    assert graph.get("neighbors/30000").status == 400


def test_weights_stay_finite(graph) -> None:
    graph.post("subgraph", graph_of({1: 1e308, 2: 1e308, 3: 1.0}, {(1, 3): 1e308, (2, 3): 1e308})).ok()
    before = graph.whole()
    both = {1: 0.0, 2: 0.0}
    for path, vertices, edges in (("weight", {1: 1e308}, {}), ("weight", {}, {(1, 3): 1e308}), ("merge", both, {})):
        assert graph.post(path, graph_of(vertices, edges)).status == 400
    assert graph.whole() == before

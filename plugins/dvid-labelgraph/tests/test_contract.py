"""The type by the contract of all datatypes."""

from __future__ import annotations

from dvid_framework.testing.datatype_contract import DatatypeContract, Mutation

GRAPH = b'{"Vertices":[{"Id":1,"Weight":2.5},{"Id":2},{"Id":3}],"Edges":[{"Id1":2,"Id2":1,"Weight":10}]}'


class TestLabelGraph(DatatypeContract):
    entry_point = "labelgraph"
    type_name = "labelgraph"
    mutations = (
        Mutation("POST", "/subgraph", GRAPH),
        Mutation("POST", "/property/1/p", b"of a vertex"),
        Mutation("POST", "/property/2/1/p", b"of an edge"),
        Mutation("DELETE", "/subgraph", b'{"Vertices":[{"Id":3}],"Edges":[]}'),
        Mutation("DELETE", "/property/1/q"),
    )
    reads = ("/subgraph", "/neighbors/1", "/property/1/p", "/property/1/2/p")

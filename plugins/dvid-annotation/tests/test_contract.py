"""The type by the contract of all datatypes, and by that of those that follow others."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import ClassVar

from dvid_framework.testing.datatype_contract import DatatypeContract, Mutation
from dvid_framework.testing.follower_contract import FollowerContract

_ELEMENTS = b"""[{"Pos":[1,2,3],"Kind":"PreSyn","Tags":["a","b"],"Rels":[{"Rel":"PreSynTo","To":[100,2,3]}]},
    {"Pos":[100,2,3],"Kind":"PostSyn","Tags":["a"],"Rels":[{"Rel":"PostSynTo","To":[1,2,3]}]},
    {"Pos":[-70,2,3],"Kind":"Note","Prop":{"x":"y"}}]"""


class TestAnnotation(DatatypeContract):
    entry_point = "annotation"
    type_name = "annotation"
    mutations = (
        Mutation("POST", "/elements", _ELEMENTS),
        Mutation("POST", "/elements", b'[{"Pos":[1,2,3],"Kind":"Gap","Tags":["b"]}]'),
        Mutation("POST", "/blocks", b'{"5,5,5":[{"Pos":[325,325,325],"Kind":"Gap"}]}'),
        Mutation("POST", "/labels", b'{"7":"[{\\"Pos\\":[1,1,1],\\"Kind\\":\\"Gap\\"}]"}'),
    )
    reads = (
        "/all-elements",
        "/elements/1000_1000_1000/-100_-100_-100",
        "/blocks/1000_1000_1000/-100_-100_-100",
        "/tag/a",
        "/tag/b?relationships=true",
        "/tag/a?relationships=verbose",
        "/label/7",
        "/scan",
    )


class TestElementsFollowLabels(FollowerContract):
    entry_points = ("annotation",)
    plugins_given: ClassVar[Mapping[str, object]] = {"painted": sys.modules["painted_labels"]}
    leader_type, follower_type = "labelmap", "annotation"
    preparations = (Mutation("POST", "/elements", _ELEMENTS),)
    mutations = (
        Mutation("POST", "/paint/1", b"[[0,0,0]]"),
        Mutation("POST", "/paint/2", b"[[1,0,0],[2,0,0]]"),
        Mutation("POST", "/paint/3", b"[[-2,0,0]]"),
        Mutation("POST", "/merge", b"[1,2,3]"),
        Mutation("POST", "/cleave/1/9", b"[2]"),
        Mutation("POST", "/paint/4", b"[[0,0,0]]"),
        Mutation("POST", "/renumber/40/4"),
    )
    reads = ("/label/1", "/label/9?relationships=true", "/label/40")

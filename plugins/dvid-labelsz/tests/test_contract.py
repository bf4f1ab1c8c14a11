"""The type by the contract of those that follow others, and where the store fails."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import ClassVar

from dvid_framework.testing.datatype_contract import Mutation
from dvid_framework.testing.follower_contract import FollowerContract


class TestCountsFollowPoints(FollowerContract):
    entry_points = ("labelsz",)
    plugins_given: ClassVar[Mapping[str, object]] = {"points": sys.modules["plain_points"]}
    leader_type, follower_type = "annotation", "labelsz"
    mutations = (
        Mutation("POST", "/set", b'{"a":[1,5,[0,0,0]],"b":[2,5,[0,0,0]],"c":[4,6,[0,0,0]]}'),
        Mutation("POST", "/set", b'{"a":[3,7,[0,0,0]],"d":[1,7,[1,1,1]]}'),
        Mutation("POST", "/set", b'{"b":[2,8,[0,0,0]],"c":[4,0,[0,0,0]],"e":[4,9,[0,0,0]]}'),
    )
    reads = ("/top/10/AllSyn", "/threshold/1/PreSyn", "/count/9/Note", "/top/5/Gap")

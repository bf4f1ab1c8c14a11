"""The kit's follower keeps the contracts of followers and of datatypes."""

from __future__ import annotations

from typing import ClassVar

from dvid_framework.testing import counting, tiny
from dvid_framework.testing.datatype_contract import Mutation
from dvid_framework.testing.follower_contract import FollowerContract


class TestCounting(FollowerContract):
    plugins_given: ClassVar = {"tiny": tiny, "counting": counting}
    leader_type, follower_type = "tiny", "counting"
    mutations = (
        Mutation("POST", "/pair/a", b"1"),
        Mutation("POST", "/pair/a", b"2"),
        Mutation("DELETE", "/pair/a"),
        Mutation("POST", "/pairs", b'{"a": "1", "b": "2"}'),
    )
    reads = ("/counters", "/counter/set%20a")

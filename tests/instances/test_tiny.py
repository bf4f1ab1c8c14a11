"""The kit's tiny type by the contract of all datatypes."""

from __future__ import annotations

from types import MappingProxyType

from dvid_framework.testing import tiny
from dvid_framework.testing.datatype_contract import DatatypeContract, Mutation


class TestTiny(DatatypeContract):
    plugin = tiny
    type_name = "tiny"
    settings = MappingProxyType({"width": "5"})
    bad_settings = ({"width": "0"}, {"width": "wide"}, {"width": []})
    mutations = (
        Mutation("POST", "/pair/a", b"1"),
        Mutation("POST", "/pairs", b'{"b": "2", "c": "3"}'),
        Mutation("DELETE", "/pair/c"),
    )
    reads = ("/pairs", "/pair/a", "/pair/b")

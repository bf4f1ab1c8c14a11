"""The type by the contract of all datatypes."""

from __future__ import annotations

from types import MappingProxyType

from dvid_framework.testing.datatype_contract import DatatypeContract, Mutation


class TestROI(DatatypeContract):
    entry_point = "roi"
    type_name = "roi"
    settings = MappingProxyType({"BlockSize": "32,32,32"})
    bad_settings = ({"BlockSize": "x"}, {"BlockSize": "0,0,0"})
    mutations = (Mutation("POST", "/roi", b"[[0,0,0,3],[1,2,4,5]]"),)
    reads = ("/roi", "/mask/0_1_2/64_64_64/0_0_0")
    extended = ("BlockSize",)

"""The type by the contract of all datatypes."""

from __future__ import annotations

import gzip
import struct
from types import MappingProxyType

from dvid_framework.testing.datatype_contract import DatatypeContract, Mutation

_BLOCK = gzip.compress(struct.pack("<4IQ", 8, 8, 8, 1, 5))
_STREAM = b"".join(struct.pack("<4i", x, 0, 0, len(_BLOCK)) + _BLOCK for x in range(2))


class TestLabelmap(DatatypeContract):
    entry_point = "labelmap"
    type_name = "labelmap"
    settings = MappingProxyType({"BlockSize": "64,64,64", "MaxDownresLevel": "1"})
    bad_settings = ({"BlockSize": "x"},)
    mutations = (
        Mutation("POST", "/mappings", b"\x0a\x05\x10\x08\x1a\x01\x09"),  # MappingOps: 9 to 8
        Mutation("POST", "/blocks?downres=true", _STREAM),
        Mutation("POST", "/raw/0_1_2/64_64_64/0_64_0", struct.pack("<Q", 9) * 64**3),
    )
    reads = (
        "/raw/0_1_2/128_128_64/0_0_0",
        "/raw/0_1_2/64_64_32/0_0_0?scale=1",
        "/specificblocks?blocks=0,0,0,0,1,0&compression=lz4",  # the gzip of a block need not be the same each time
        "/maxlabel",
        "/label/1_70_1",
        "/supervoxel-sizes/8",
        "/index/8",
        "/listlabels?sizes=true",
        "/mappings",
    )
    extended = ("BlockSize", "MaxLabel", "MaxDownresLevel")


_SMALL = gzip.compress(struct.pack("<4IQ", 2, 2, 2, 1, 5))


class TestLabelarray(DatatypeContract):
    entry_point = "labelmap"
    type_name = "labelarray"
    settings = MappingProxyType({"BlockSize": "16,16,16", "MaxDownresLevel": "1"})
    bad_settings = ({"BlockSize": "x"}, {"CountLabels": "x"})
    mutations = (
        Mutation("POST", "/blocks?downres=true", struct.pack("<4i", 1, 0, 0, len(_SMALL)) + _SMALL),
        Mutation("POST", "/raw/0_1_2/16_16_16/0_16_0", struct.pack("<Q", 9) * 16**3),
    )
    reads = (
        "/raw/0_1_2/32_32_16/0_0_0",
        "/raw/0_1_2/16_16_8/0_0_0?scale=1",
        "/specificblocks?blocks=1,0,0,0,1,0&compression=lz4",
        "/maxlabel",
        "/label/1_20_1",
        "/sparsevol-coarse/5",
    )
    extended = ("BlockSize", "MaxLabel", "CountLabels")

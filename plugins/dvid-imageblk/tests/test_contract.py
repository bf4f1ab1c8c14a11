"""The family by the contract of all datatypes; its types share routes and instances, and have a model each."""

from __future__ import annotations

from types import MappingProxyType

import numpy as np

from dvid_framework.testing.datatype_contract import DatatypeContract, Mutation

_ONE, _TWO = (np.random.default_rng(seed).integers(0, 255, 16**3, np.uint8).tobytes() for seed in (1, 2))


class TestUint8Blk(DatatypeContract):
    entry_point = "imageblk"
    answers_head = False
    type_name = "uint8blk"
    settings = MappingProxyType({"BlockSize": "16,16,16", "MaxDownresLevel": "2"})
    bad_settings = ({"BlockSize": "x"}, {"Background": "256"}, {"BlockSize": "0,1,1"})
    mutations = (
        Mutation("POST", "/raw/0_1_2/16_16_16/0_0_0", _ONE),
        Mutation("POST", "/blocks/1_0_0/1", _TWO),
        Mutation("POST", "/extents", b'{"MinPoint": [0, 0, 0], "MaxPoint": [99, 9, 9]}'),
    )
    reads = (
        "/raw/0_1_2/40_20_16/0_0_0",
        "/raw/0_1_2/16_16_16/0_0_0?scale=1",
        "/raw/xy/32_16/0_0_3",
        "/blocks/0_0_0/2",
        "/subvolblocks/32_16_16/0_0_0?compression=uncompressed",
        "/specificblocks?blocks=1,0,0,0,0,0",
        "/metadata",
    )
    extended = ("BlockSize", "MaxPoint", "MaxDownresLevel")

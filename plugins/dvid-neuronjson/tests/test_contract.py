"""The type by the contract of all datatypes."""

from __future__ import annotations

from dvid_neuronjson.batches import encode_pairs

from dvid_framework.testing.datatype_contract import DatatypeContract, Mutation

BATCH = b"".join(encode_pairs([("8", b'{"bodyid":8,"c":[1,2]}'), ("9", b'{"bodyid":9,"c":"x"}')]))


class TestNeuronJSON(DatatypeContract):
    entry_point = "neuronjson"
    type_name = "neuronjson"
    mutations = (
        Mutation("POST", "/key/7?u=ann", b'{"bodyid":7,"a":1}'),
        Mutation("POST", "/key/7?u=bob&conditional=a", b'{"bodyid":7,"a":2,"b":"x"}'),
        Mutation("POST", "/keyvalues?u=cat", BATCH),
        Mutation("DELETE", "/key/9"),
        Mutation("POST", "/schema", b'{"any": "thing"}'),
        Mutation("POST", "/json_schema", b'{"type": "object"}'),
    )
    reads = (
        "/keys",
        "/key/7?show=user",
        "/key/8",
        "/all?show=user",
        "/keyrange/0/a",
        "/keyrangevalues/0/a?json=true",
        "/fields?counts=true",
        "/schema",
        "/json_schema",
    )

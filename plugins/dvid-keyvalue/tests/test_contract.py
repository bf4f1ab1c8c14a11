"""The type by the contract of all datatypes."""

from __future__ import annotations

from dvid_framework.testing.datatype_contract import DatatypeContract, Mutation


def _field(number: int, data: bytes) -> bytes:
    """Return a field of a protobuf message."""
    return bytes([number << 3 | 2, len(data)]) + data


class TestKeyValue(DatatypeContract):
    entry_point = "keyvalue"
    type_name = "keyvalue"
    mutations = (
        Mutation("POST", "/key/a", b"1"),
        Mutation("POST", "/key/b", b"2"),
        Mutation("POST", "/keyvalues", _field(1, _field(1, b"c") + _field(2, b"3"))),
        Mutation("DELETE", "/key/b"),
    )
    reads = ("/keys", "/key/a", "/keyrange/a/z", "/keyrangevalues/a/z?json=true")

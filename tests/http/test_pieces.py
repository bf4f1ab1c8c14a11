"""Small parts joined to pieces, and JSON of what is JSON already."""

from __future__ import annotations

import json
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from dvid_framework.api import in_pieces, json_joined


@given(st.lists(st.binary(max_size=20)), st.integers(1, 30))
def test_pieces_hold_all_parts_in_order(parts: list[bytes], size: int) -> None:
    pieces = list(in_pieces(parts, size))
    assert b"".join(pieces) == b"".join(parts)
    assert all(pieces)
    assert all(len(one) + len(other) > size for one, other in pairwise(pieces))


def test_a_large_part_is_not_copied() -> None:
    large = memoryview(bytes(100))
    pieces = list(in_pieces([b"a", b"b", large, b"c"], 10))
    assert pieces == [b"ab", large, b"c"]
    assert pieces[1] is large


@given(st.lists(st.lists(st.integers(), max_size=3)))
def test_items_may_be_several_or_none(several: list[list[int]]) -> None:
    items = [memoryview(json.dumps(some)[1:-1].encode()) for some in several]
    assert json.loads(b"".join(json_joined(items))) == [one for some in several for one in some]


def test_brackets_and_what_stands_for_nothing_can_be_said() -> None:
    assert b"".join(json_joined([b'"a":1', b'"b":2'], b"{", b"}")) == b'{"a":1,"b":2}'
    assert b"".join(json_joined([], b"{", b"}")) == b"{}"
    assert b"".join(json_joined(iter(()), b"[", b"]", b"null")) == b"null"

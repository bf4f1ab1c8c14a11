"""Stored rows and the JSON of elements: what goes in comes out."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import numpy as np
import pytest
from dvid_annotation.codec import parse_blocks, parse_elements, parse_label_lists
from dvid_annotation.keys import block_coordinates, block_keys
from dvid_annotation.model import KINDS, Item, tags_of, without_relations
from dvid_annotation.stored import Row, decode_owners, encode_items, encode_owners, text_of
from dvid_annotation.table import Table, encode_row
from hypothesis import given
from hypothesis import strategies as st

from dvid_framework.api import BadRequest

_INT32 = st.integers(-(1 << 31), (1 << 31) - 1)
_PLACES = st.tuples(_INT32, _INT32, _INT32)
_TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
_RELS = st.fixed_dictionaries({"Rel": st.sampled_from(["PreSynTo", "GroupedWith"]), "To": _PLACES.map(list)})
ELEMENTS = st.fixed_dictionaries(
    {
        "Pos": _PLACES.map(list),
        "Kind": st.sampled_from(KINDS),
        "Tags": st.lists(_TEXTS.filter(bool), max_size=3),
        "Prop": st.dictionaries(_TEXTS, _TEXTS, max_size=3),
        "Rels": st.lists(_RELS, max_size=3),
    }
)


@given(st.lists(ELEMENTS, max_size=10, unique_by=lambda element: tuple(element["Pos"])))
def test_a_row_holds_what_was_put_into_it(elements: list[dict[str, object]]) -> None:
    parsed = parse_elements(json.dumps(elements).encode())
    items = {one.pos: one.item for one in parsed}
    row = Row(encode_items(items))
    assert len(row) == len(elements)
    assert row.items() == items
    assert msgspec.json.decode(b"[%s]" % text_of(encode_items(items))) == elements
    for one, element in zip(parsed, elements, strict=True):
        assert one.tags == tags_of(one.item) == tuple(dict.fromkeys(element["Tags"]))  # type: ignore[arg-type]
        short = {name: value for name, value in element.items() if name != "Rels"}
        assert msgspec.json.decode(without_relations(one.item).text) == short
        assert without_relations(without_relations(one.item)) == without_relations(one.item)


@given(st.lists(_PLACES, min_size=1, max_size=10, unique=True), st.data())
def test_some_elements_of_a_row(places: list[tuple[int, int, int]], data: st.DataObject) -> None:
    chosen = data.draw(st.lists(st.booleans(), min_size=len(places), max_size=len(places)))
    parsed = parse_elements(json.dumps([{"Pos": place} for place in places]).encode())
    row = Row(encode_items({one.pos: one.item for one in parsed}))
    found = [msgspec.json.decode(text)["Pos"] for text in row.texts(np.array(chosen))]
    assert found == [list(place) for place, there in zip(places, chosen, strict=True) if there]


@given(st.dictionaries(_PLACES, st.integers(1, (1 << 64) - 1), max_size=10))
def test_labels_of_a_block(owners: dict[tuple[int, int, int], int]) -> None:
    assert decode_owners(encode_owners(owners)) == owners


@given(st.lists(_PLACES, max_size=10))
def test_keys_sort_by_z_y_x(blocks: list[tuple[int, int, int]]) -> None:
    keys = block_keys(np.array(blocks, np.int64).reshape(-1, 3))
    assert block_coordinates(keys).tolist() == [list(block) for block in blocks]
    assert [key for _, key in sorted(zip((block[::-1] for block in blocks), keys, strict=True))] == sorted(keys)


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        (b"null", []),
        (b"[]", []),
        (b"[{}]", [{}]),
        (b'[{"pos":[1,2,3],"KIND":"Gap","tags":["a"]}]', [{"Pos": [1, 2, 3], "Kind": "Gap", "Tags": ["a"]}]),
        (b'[{"Pos":[1,2],"more":{"a":[1]}}]', [{"Pos": [1, 2, 0]}]),
        (b'[{"Pos":null,"Tags":null,"Prop":null,"Rels":null}]', [{}]),
        (
            b'[{"Rels":[{"rel":"PreSynTo","to":[4],"x":1},{}]}]',
            [{"Rels": [("PreSynTo", [4, 0, 0]), ("UnknownRelationship", [0, 0, 0])]}],
        ),
    ],
)
def test_what_may_be_left_out(body: bytes, wanted: list[dict[str, object]]) -> None:
    found = [msgspec.json.decode(one.item.text) for one in parse_elements(body)]
    for element in found:
        element["Rels"] = [(relation["Rel"], relation["To"]) for relation in element["Rels"]]
    empty = {"Pos": [0, 0, 0], "Kind": "Unknown", "Tags": [], "Prop": {}, "Rels": []}
    assert found == [{**empty, **element} for element in wanted]


@pytest.mark.parametrize(
    "element",
    [
        b"7",
        b"null",
        b'{"Pos":[1,2,3,4]}',
        b'{"Pos":[1.5,2,3]}',
        b'{"Pos":[2147483648,2,3]}',
        b'{"Pos":"1_2_3"}',
        b'{"Kind":"presyn"}',
        b'{"Kind":2}',
        b'{"Tags":[""]}',
        b'{"Tags":"a"}',
        b'{"Tags":["' + b"a" * 1025 + b'"]}',
        b'{"Prop":{"a":1}}',
        b'{"Rels":[{"Rel":"Foo"}]}',
        b'{"Rels":[{"To":[1,2,3,4]}]}',
        b'{"Rels":{}}',
        b'{"Tags":["\\ud800"]}',
        b'{"Pos":[' + b"[" * 5000,
    ],
)
def test_what_is_refused(element: bytes) -> None:
    with pytest.raises(BadRequest):
        parse_elements(b"[" + element + b"]")
    with pytest.raises(BadRequest):
        parse_blocks(b'{"0,0,0":[' + element + b"]}")


@pytest.mark.parametrize(
    "body", [b"[]", b"", b'{"a":"[]"}', b'{"3":[]}', b'{"3":"x"}', b'{"18446744073709551616":"[]"}']
)
def test_lists_of_labels_that_are_refused(body: bytes) -> None:
    with pytest.raises(BadRequest):
        parse_label_lists(body)


_ITEMS = st.dictionaries(_PLACES, ELEMENTS, min_size=0, max_size=60)


@given(_ITEMS, _ITEMS, st.data())
def test_a_long_row_that_is_changed(first: dict[Any, Any], second: dict[Any, Any], data: st.DataObject) -> None:
    def items_of(elements: dict[Any, Any]) -> dict[Any, Item]:
        body = json.dumps([{**element, "Pos": list(place)} for place, element in elements.items()]).encode()
        return {one.pos: one.item for one in parse_elements(body)}

    wanted, added = items_of(first), items_of(second)
    table = Table(Row(encode_items(wanted)))
    gone = data.draw(st.sets(st.sampled_from(sorted(wanted)), max_size=30)) if wanted else set()
    for place in gone:
        assert table.pop(place) == wanted.pop(place)
        assert place not in table
        assert table.get(place) is None
    for place, item in added.items():
        wanted[place] = table[place] = item
    assert dict(table.items()) == wanted
    assert len(table) == len(wanted)
    assert Row(encode_row(table)).items() == wanted
    assert msgspec.json.decode(b"[%s]" % text_of(encode_row(table))) is not None
    assert encode_items(Row(table.encode()).items()) == table.encode()
    with pytest.raises(KeyError):
        del table[(1 << 40, 0, 0)]

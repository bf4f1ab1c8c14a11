"""Queries against a plain evaluator, over indices in chunks."""

from __future__ import annotations

import re
import sys
from typing import Any

import msgspec
import pytest
from dvid_neuronjson.chunk import Chunk, rows_of
from dvid_neuronjson.conditions import parse_queries
from hypothesis import given
from hypothesis import strategies as st

from dvid_framework.api import BadRequest, NotInstalled

NEURONS = {
    20: {"status": "Traced", "type": "re/x", "whole": 2.0},
    1000: {"status": "Traced", "type": "DA1_lPN", "a_number": 3456, "position": [150, 250, 380], "baz": ""},
    1001: {"status": "Traced", "type": "DA2", "a_number": -3, "list": ["x", "yy"], "soma": True},
    1002: {"status": "Anchor", "type": "KC-s", "a_number": 3.5, "list": ["z"]},
    1003: {"status": "0.5assign", "floats": [1.5, 2.5], "mixed": [1, "a"], "emptyl": []},
}


def chunk_of(neurons: dict[int, dict[str, Any]]) -> Chunk:
    numbers = sorted(neurons)
    return Chunk(numbers, [msgspec.json.encode({"bodyid": number, **neurons[number]}) for number in numbers])


def ask(neurons: dict[int, dict[str, Any]], query: Any) -> list[int]:
    """Ask a chunk; what a plain evaluation finds must be the same."""
    chunk, queries = chunk_of(neurons), parse_queries(query)
    found = [chunk.numbers[row] for row in rows_of(chunk.matching(queries, None))]
    plain = [
        number
        for number, fields in sorted(neurons.items())
        if any(all(condition.holds({"bodyid": number, **fields}) for condition in one) for one in queries)
    ]
    assert found == plain
    return found


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"status": "Traced"}, [20, 1000, 1001]),
        ({"status": "traced"}, []),
        ({"status": "re/^T"}, [20, 1000, 1001]),
        ({"status": "re/rac"}, [20, 1000, 1001]),
        ({"type": ["DA2", "KC-s"]}, [1001, 1002]),
        ({"type": ["re/^DA", "KC-s"]}, [1000, 1001, 1002]),
        ({"type": "re/"}, [20, 1000, 1001, 1002]),
        ({"type": "re/\\d"}, [1000, 1001]),
        ({"a_number": [3456, -3]}, [1000, 1001]),
        ({"a_number": 3.5}, [1002]),
        ({"a_number": [3.5]}, [1002]),
        ({"a_number": [3.5, 3456]}, [1002]),
        ({"a_number": "3456"}, []),
        ({"whole": 2}, [20]),
        ({"whole": [2, 1 << 63]}, []),
        ({"position": 150}, [1000]),
        ({"position": [1, 380]}, [1000]),
        ({"list": "re/^y"}, [1001]),
        ({"type": "exists/0"}, [1003]),
        ({"baz": "exists/1"}, [1000]),
        ({"baz": "exists/x"}, [1000]),
        ({"baz": "exists/"}, []),
        ({"baz": "exists/11"}, []),
        ({"baz": ""}, [1000]),
        ({"soma": True}, [1001]),
        ({"soma": 1}, []),
        ({"soma": "exists/1"}, [1001]),
        ({"mixed": "a"}, []),
        ({"mixed": 1}, []),
        ({"floats": 1.5}, []),
        ({"emptyl": "exists/1"}, [1003]),
        ({"type": []}, []),
        ({"type": None}, []),
        ({"type": {}}, []),
        ({"type": ["DA2", 5]}, []),
        ([{"status": "Traced"}, {"status": "Anchor"}], [20, 1000, 1001, 1002]),
        ({"bodyid": [1000, 1002], "status": "Traced"}, [1000]),
        ({"bodyid": "exists/1", "status": "Traced"}, [20, 1000, 1001]),
        ([{}, {"status": "x"}], [20, 1000, 1001, 1002, 1003]),
    ],
    ids=str,
)
def test_known_answers(query: Any, expected: list[int]) -> None:
    assert ask(NEURONS, query) == expected


@pytest.mark.parametrize(
    "query", [[], "x", 5, [5], [{}, 5], None, {"a": "re/("}, {"a": "re/(?=x)"}, {"a": "re/\ud800"}]
)
def test_what_is_no_query_is_refused(query: Any) -> None:
    with pytest.raises(BadRequest):
        parse_queries(query)


def test_too_much_is_refused() -> None:
    many = {f"f{number}": 1 for number in range(65)}
    for query in ({"a": ["re/x"] * 17}, [{"a": 1}] * 5001, {"a": "re/" + "x" * 1001}, many):
        with pytest.raises(BadRequest):
            parse_queries(query)


def test_without_its_library_a_pattern_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "re2", None)
    with pytest.raises(NotInstalled, match="pip install"):
        parse_queries({"a": "re/x"})
    assert ask(NEURONS, {"status": "Anchor"}) == [1002]


TEXTS = st.sampled_from(["", "a", "ab", "b", "re/x", "exists/1", "é"])
NUMBERS = st.sampled_from([0, 1, 2, -1, 2.0, 1.5, 1 << 53, (1 << 53) + 1, 1 << 63, (1 << 64) - 1])
SCALARS = TEXTS | NUMBERS | st.booleans()
VALUES = SCALARS | st.lists(TEXTS, max_size=3) | st.lists(NUMBERS, max_size=3) | st.lists(SCALARS, max_size=3)
FIELDS = st.dictionaries(st.sampled_from("abc"), VALUES | st.dictionaries(TEXTS, SCALARS, max_size=2), max_size=3)
CONDITIONS = (
    VALUES
    | st.sampled_from(["re/^a", "re/b$", "re/.", "exists/0", "exists/1", None])
    | st.lists(st.sampled_from(["re/^a", "b", "re/b$"]), max_size=3)
)
QUERIES = st.dictionaries(st.sampled_from(["a", "b", "c", "d"]), CONDITIONS, max_size=3)


@given(st.dictionaries(st.integers(1, (1 << 64) - 1), FIELDS, max_size=12), st.lists(QUERIES, min_size=1, max_size=3))
def test_indices_find_what_a_plain_evaluation_finds(neurons: dict[int, dict[str, Any]], queries: list[Any]) -> None:
    ask(neurons, queries)


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def meets(candidate: Any, one: Any, as_doubles: bool) -> bool:
    if isinstance(one, str):
        pattern = one[3:] if one.startswith("re/") else None
        if not isinstance(candidate, str):
            return False
        return candidate == one if pattern is None else re.search(pattern, candidate) is not None
    if isinstance(one, bool):
        return candidate is one
    if not is_number(one) or not is_number(candidate):
        return False
    return bool(candidate == one) and not (as_doubles and one % 1 == 0)


def holds(value: Any, wanted: Any) -> bool:
    """A condition as it is described, without anything of ours."""
    if isinstance(wanted, str) and re.fullmatch(r"exists/[0-9]", wanted):
        return (value is not None) == (wanted[-1] != "0")
    alike = isinstance(value, list) and {type(one) for one in value} in ({str}, {int})
    candidates = value if alike else [] if isinstance(value, list) else [value]
    several = wanted if isinstance(wanted, list) else [wanted]
    if isinstance(wanted, list) and not (all(map(is_number, wanted)) or all(isinstance(one, str) for one in wanted)):
        return False
    numbers = [one for one in several if is_number(one)] if isinstance(wanted, list) else []
    as_doubles = any(isinstance(one, float) or abs(one) >= 1 << 63 for one in numbers)
    return any(meets(candidate, one, as_doubles) for one in several for candidate in candidates)


@given(st.dictionaries(st.integers(1, 50), FIELDS, max_size=8), QUERIES)
def test_conditions_hold_as_described(neurons: dict[int, dict[str, Any]], query: dict[str, Any]) -> None:
    expected = [
        number
        for number, fields in sorted(neurons.items())
        if all(holds(fields.get(name), wanted) for name, wanted in query.items())
    ]
    assert ask(neurons, query) == expected

"""The header Range."""

from __future__ import annotations

import pytest
from dvid_keyvalue.ranges import parse_range
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("header", "found"),
    [
        ("bytes=0-3", range(4)),
        ("bytes=5-", range(5, 200)),
        ("bytes=-4", range(196, 200)),
        ("bytes=190-500", range(190, 200)),
        ("bytes=-500", range(200)),
        ("bytes= 1 - 2 ", range(1, 3)),
        ("bytes=3-1", None),
        ("bytes=0-1,3-4", None),
        ("items=0-1", None),
        ("bytes=-", None),
        ("bytes=a-b", None),
        ("bytes=--1", None),
        ("", None),
        ("bytes=1-" + "9" * 30, None),
        ("bytes=" + " " * 50_000 + "x", None),
        ("bytes=1²-3", None),
    ],
)
def test_headers(header: str, found: range | None) -> None:
    assert parse_range(header, 200) == found


@pytest.mark.parametrize("header", ["bytes=200-", "bytes=-0", "bytes=300-400"])
def test_ranges_without_a_byte_are_empty(header: str) -> None:
    assert parse_range(header, 200) == range(0)


@given(st.text(), st.integers(0, 100))
def test_any_header_gives_bytes_of_the_value_or_is_ignored(text: str, length: int) -> None:
    for header in (text, "bytes=" + text):
        found = parse_range(header, length)
        assert not found or (found[0] >= 0 and found[-1] < length)


@given(st.text("0123456789- "), st.integers(0, 100))
def test_an_empty_value_has_no_range(text: str, length: int) -> None:
    assert not parse_range("bytes=" + text, 0)
    assert parse_range("bytes=" + text, length) is None or "-" in text

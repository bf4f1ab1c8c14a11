"""The settings of new instances."""

from __future__ import annotations

from typing import Any

import pytest

from dvid_framework.errors import BadRequest
from dvid_framework.instances.settings import compression_text, parse_tags, split_settings
from dvid_framework.testing.tiny import Tiny

_BASE = {"typename": "tiny", "dataname": "t"}


def test_defaults() -> None:
    common = split_settings(_BASE)
    assert (common.name, common.type_name, common.versioned) == ("t", "tiny", True)
    assert (common.compression, common.checksum, common.tags, common.own) == (None, "none", None, {})


def test_keys_count_in_any_case_and_unknown_ones_go_to_the_type() -> None:
    common = split_settings({"TypeName": "tiny", "DATANAME": "t", "compression": "GZIP:3", "BlockSize": "32,32,32"})
    assert common.compression == "gzip:3"
    assert common.own == {"blocksize": "32,32,32"}


@pytest.mark.parametrize(
    ("value", "wanted"),
    [("true", True), ("1", True), ("TRUE", True), ("false", False), ("0", False), (True, True), (False, False)],
)
def test_versioned(value: Any, wanted: bool) -> None:
    assert split_settings({**_BASE, "versioned": value}).versioned is wanted


@pytest.mark.parametrize(
    "change",
    [
        {"typename": None},
        {"dataname": 5},
        {"dataname": ""},
        {"dataname": "a/b"},
        {"dataname": "log"},
        {"dataname": "branch"},
        {"dataname": "note"},
        {"dataname": "commit"},
        {"dataname": "newversion"},
        {"versioned": "yes"},
        {"versioned": 1},
        {"versioned": None},
        {"compression": "jpeg:80"},
        {"compression": "zip"},
        {"compression": 5},
        {"checksum": "md5"},
        {"checksum": []},
        {"tags": {"a": "b"}},
    ],
)
def test_malformed_settings_are_refused_with_a_sentence(change: dict[str, Any]) -> None:
    with pytest.raises(BadRequest) as caught:
        split_settings({**_BASE, **change})
    assert len(caught.value.message.split()) > 3


@pytest.mark.parametrize("missing", ["typename", "dataname"])
def test_what_is_required_is_named(missing: str) -> None:
    with pytest.raises(BadRequest, match=missing):
        split_settings({key: value for key, value in _BASE.items() if key != missing})


def test_tags() -> None:
    assert parse_tags("k=v,k2=v2") == {"k": "v", "k2": "v2"}
    assert parse_tags("=v,plain,a=b=c,k=") == {"k": ""}
    assert parse_tags("") == {}
    assert split_settings({**_BASE, "Tags": "nothing"}).tags is None


@pytest.mark.parametrize("word", ["none", "snappy", "lz4", "gzip", "jpeg"])
def test_every_compression_has_a_text(word: str) -> None:
    assert compression_text(split_settings({**_BASE, "compression": word.upper()}).compression or "").endswith("-1")
    assert compression_text("gzip:9") == "gzip compression, level 9"


def test_a_types_own_settings() -> None:
    assert Tiny.parse_settings({"width": "7", "unknown": "x"}).width == 7  # type: ignore[attr-defined]
    for bad in ("0", "101", "wide", "", [], None):
        with pytest.raises(BadRequest, match="tiny"):
            Tiny.parse_settings({"width": bad})

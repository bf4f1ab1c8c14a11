"""The settings of a new instance: those of every type, and the type's own."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dvid_framework.errors import BadRequest

__all__ = ["CHECKSUM_TEXTS", "COMPRESSION_TEXTS", "CommonSettings", "check_name", "parse_tags", "split_settings"]

COMPRESSION_TEXTS = {
    "none": "No compression, level -1",
    "snappy": "Go Snappy compression, level -1",
    "lz4": "LZ4 compression, level -1",
    "gzip": "gzip compression, level -1",
    "jpeg": "jpeg compression, level -1",
}
CHECKSUM_TEXTS = {"none": "No checksum", "crc32": "CRC32 checksum"}
_FORBIDDEN_NAMES = frozenset({"log", "note", "branch", "commit", "newversion"})
_GZIP_LEVEL = re.compile(r"gzip:-?\d+")
_COMMON = frozenset({"typename", "dataname", "versioned", "compression", "checksum", "tags"})


@dataclass(frozen=True, slots=True)
class CommonSettings:
    """What every instance has.

    Attributes:
        name: name of the instance.
        type_name: name of its datatype.
        compression: `none`, `snappy`, `lz4`, `gzip`, `gzip:LEVEL` or `jpeg`; None for the type's default.
        own: what is left for the datatype, by lower-case key.
    """

    name: str
    type_name: str
    versioned: bool
    compression: str | None
    checksum: str
    tags: dict[str, str] | None
    own: dict[str, Any]


def parse_tags(text: str) -> dict[str, str]:
    """Return the tags of `k=v,k2=v2`; parts without exactly one `=` or with an empty key are dropped."""
    pairs = [part.split("=") for part in text.split(",")]
    return {pair[0]: pair[1] for pair in pairs if len(pair) == 2 and pair[0]}


def _text(config: Mapping[str, Any], key: str, default: str | None = None) -> str:
    value = config.get(key, default)
    if not isinstance(value, str):
        raise BadRequest(f"setting {key!r} must be a string" if key in config else f"setting {key!r} is missing")
    return value


def _versioned(config: Mapping[str, Any]) -> bool:
    value = config.get("versioned", True)
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in ("true", "1", "false", "0"):
        return value.lower() in ("true", "1")
    raise BadRequest('setting "versioned" must be "true" or "false"')


def _compression(config: Mapping[str, Any]) -> str | None:
    if "compression" not in config:
        return None
    word = _text(config, "compression").lower()
    if word not in COMPRESSION_TEXTS and not _GZIP_LEVEL.fullmatch(word):
        raise BadRequest(f"unknown compression {word!r}; none, snappy, lz4, gzip, gzip:LEVEL and jpeg are allowed")
    return word


def check_name(name: str) -> str:
    """Return a name if an instance can have it.

    Raises:
        BadRequest: it can't.
    """
    if not name or "/" in name or name in _FORBIDDEN_NAMES:
        taken = ", ".join(sorted(_FORBIDDEN_NAMES))
        raise BadRequest(f"an instance can't be named {name!r}: no empty name, no slash, and none of {taken}")
    return name


def split_settings(body: Mapping[str, Any]) -> CommonSettings:
    """Read the settings of a new instance.

    Args:
        body: the JSON object of the request; keys count in any case.

    Raises:
        BadRequest: a setting is missing or malformed.
    """
    config = {key.lower(): value for key, value in body.items()}
    checksum = _text(config, "checksum", "none").lower()
    if checksum not in CHECKSUM_TEXTS:
        raise BadRequest(f"unknown checksum {checksum!r}; none and crc32 are allowed")
    return CommonSettings(
        name=check_name(_text(config, "dataname")),
        type_name=_text(config, "typename"),
        versioned=_versioned(config),
        compression=_compression(config),
        checksum=checksum,
        tags=parse_tags(_text(config, "tags")) or None if "tags" in config else None,
        own={key: value for key, value in config.items() if key not in _COMMON},
    )


def compression_text(word: str) -> str:
    """Return the text of a compression as `info` shows it."""
    kind, _, level = word.partition(":")
    if level:
        return f"{kind} compression, level {level}"
    return COMPRESSION_TEXTS[kind]

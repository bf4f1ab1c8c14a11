"""The text of a configuration as administrators may see it: every value of a key that sounds secret is masked."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

__all__ = ["masked_toml"]

_SECRET_NAME = re.compile(r"(?i)token|secret|pass|credential|private|key$")
_IN_ADDRESS = re.compile(r"(?i)(?<=://)[^/@\s]+(?=@)|(?<=[?&;])((?:\w*(?:token|secret|password|key|sig)\w*)=)[^&\s]*")
_BARE = re.compile(r"[A-Za-z0-9_-]+")
_MASK = "***"


def _masked(name: str, value: Any) -> Any:
    if _SECRET_NAME.search(name):
        return _MASK
    if isinstance(value, dict):
        return {key: _masked(key, inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_masked("", inner) for inner in value]
    if isinstance(value, str):
        return _IN_ADDRESS.sub(lambda match: (match[1] or "") + _MASK, value)
    return value


def _name(key: str) -> str:
    return key if _BARE.fullmatch(key) else msgspec.json.encode(key).decode()


def _inline(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_name(key)} = {_inline(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_inline, value)) + "]"
    return msgspec.json.encode(value).decode()  # JSON's texts, numbers and truth values are TOML's


def _lines(path: str, table: Mapping[str, Any]) -> Iterator[str]:
    plain = {key: value for key, value in table.items() if not isinstance(value, dict)}
    if path and (plain or not table):
        yield f"\n[{path}]"
    for key, value in plain.items():
        yield f"{_name(key)} = {_inline(value)}"
    for key, value in table.items():
        if isinstance(value, dict):
            yield from _lines(f"{path}.{_name(key)}" if path else _name(key), value)


def masked_toml(document: Mapping[str, Any]) -> str:
    """Return a TOML document, as it was read, with its secrets masked; its comments, which may hold some too, are gone.

    Args:
        document: what TOML has as tables is dictionaries.
    """
    return "\n".join(_lines("", _masked("", document))).lstrip("\n") + "\n"

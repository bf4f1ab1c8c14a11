"""JSON bodies of the core's routes, as lax about the case of keys as the original."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import msgspec

from dvid_framework.errors import BadRequest
from dvid_framework.http.json_bodies import decode_json

__all__ = ["LOG_BYTES", "LogBody", "NoteBody", "fold_keys", "texts_of"]

LOG_BYTES = 4 << 20
"""How long a body of log lines or a note may be."""
_T = TypeVar("_T")


class LogBody(msgspec.Struct):
    """Lines for a log."""

    log: list[str]


class NoteBody(msgspec.Struct):
    """A note."""

    note: str


def texts_of(config: Mapping[str, Any], names: Sequence[str]) -> dict[str, str]:
    """Return the known keys of a configuration body, which match in any case and must have texts as values.

    Raises:
        BadRequest: a value is no text.
    """
    found: dict[str, str] = {}
    for key, value in config.items():
        name = key.lower()
        if name in names:
            if not isinstance(value, str):
                raise BadRequest(f"the value of {key!r} must be a text")
            found[name] = value
    return found


def fold_keys(body: bytes, struct: type[_T], empty_allowed: bool = False) -> _T:
    """Return a JSON object as a struct; keys match in any case.

    Raises:
        BadRequest: no JSON object, or values of wrong types.
    """
    if empty_allowed and not body.strip():
        body = b"{}"
    document = decode_json(body, any_case=True)
    if not isinstance(document, dict):
        raise BadRequest("the body must be a JSON object")
    try:
        lowered = {key.lower(): value for key, value in document.items() if value is not None}
        return msgspec.convert(lowered, struct)
    except (msgspec.MsgspecError, RecursionError, ValueError) as error:
        raise BadRequest(f"the body is not the JSON object that is wanted: {error}") from error

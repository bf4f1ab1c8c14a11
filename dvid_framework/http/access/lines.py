"""Files that operators change while the server runs: lines of secrets, and JSON of users. Errors never show content."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from dvid_framework.errors import BadRequest

__all__ = ["read_json", "read_lines"]


def _bytes_of(what: str, path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise BadRequest(f"{what} can't be read: {error.strerror}") from error


def read_lines(what: str, path: Path) -> list[str]:
    """Return the lines of a file that are neither empty nor begin with `#`.

    Raises:
        BadRequest: it can't be read, or has no such line; the message begins with `what`.
    """
    try:
        lines = [line.strip() for line in _bytes_of(what, path).decode().splitlines()]
    except UnicodeDecodeError as error:
        raise BadRequest(f"{what} is no text") from error
    found = [line for line in lines if line and not line.startswith("#")]
    if not found:
        raise BadRequest(f"{what} is empty: it must have a secret on each line")
    return found


def read_json(what: str, path: Path, wanted: Any) -> Any:
    """Return the JSON of a file as a type.

    Raises:
        BadRequest: it can't be read, or is no such JSON; the message begins with `what`.
    """
    try:
        return msgspec.json.decode(_bytes_of(what, path), type=wanted)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise BadRequest(f"{what} must be JSON as the documents show it: {error}") from error

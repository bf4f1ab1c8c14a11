"""Stored keys and names of files.

Two keys for each file, both kept for all versions at once: one with its bytes and one with how many these are, so that
telling whether a file is there reads no mesh. Each has a class byte, the supervoxel as a big-endian uint64 and the
extension.
"""

from __future__ import annotations

from dvid_framework.api import BadRequest

__all__ = ["LARGEST", "MISSING", "checked_extension", "data_key", "file_name", "parse_label", "parse_name", "size_key"]

LARGEST = (1 << 64) - 1
MISSING = "missing"
"""Extension of the empty file that stands for a supervoxel without data."""
_MOST_DIGITS = 40
_MOST_LETTERS = 40


def data_key(supervoxel: int, extension: str) -> bytes:
    """Return the stored key of a file's bytes."""
    return b"d" + supervoxel.to_bytes(8, "big") + extension.encode()


def size_key(supervoxel: int, extension: str) -> bytes:
    """Return the stored key of a file's size."""
    return b"s" + supervoxel.to_bytes(8, "big") + extension.encode()


def file_name(supervoxel: int, extension: str) -> str:
    """Return the name of a file in an archive."""
    return f"{supervoxel}.{extension}"


def parse_label(text: str, what: str) -> int:
    """Return a supervoxel or a body as the wire names it.

    Raises:
        BadRequest: it is no number from 1 on, of 64 bits.
    """
    if text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS and 0 < int(text) <= LARGEST:
        return int(text)
    raise BadRequest(f"a {what} is a number from 1 to {LARGEST}, and not {text[:40]!r}")


def parse_name(name: str, extension: str) -> int:
    """Return the supervoxel of a file in an archive.

    Raises:
        BadRequest: it is not named `<supervoxel>.<extension>`.
    """
    number, dot, rest = name.partition(".")
    if not dot or rest != extension:
        raise BadRequest(f"files are named <supervoxel>.{extension} here, and not {name[:80]!r}")
    return parse_label(number, "supervoxel")


def checked_extension(value: object) -> str:
    """Return the extension of an instance's files.

    Raises:
        BadRequest: it is no text that can be one.
    """
    if not isinstance(value, str) or not value or len(value) > _MOST_LETTERS:
        raise BadRequest(f"Extension is needed: a text of at most {_MOST_LETTERS} letters, such as drc")
    if not value.isascii() or not value.isprintable() or "." in value or "/" in value or value == MISSING:
        raise BadRequest(f"Extension has ASCII letters without dots and slashes, and is not {MISSING!r}")
    return value

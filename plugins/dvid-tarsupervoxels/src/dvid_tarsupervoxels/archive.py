"""Tar archives: read strictly from strangers, and written piece by piece.

What is read is a sequence of plain files, in the formats ustar, GNU or PAX, without compression. Whatever does not fit
is refused, before anything is done with the rest.
"""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from typing import NamedTuple

from dvid_framework.api import BadRequest

__all__ = ["BLOCK", "END", "File", "archived_bytes", "header", "padding", "read_files"]

BLOCK = 512
END = bytes(2 * BLOCK)
_EMPTY = bytes(BLOCK)
_MOST_NAME = 1 << 16
_MODE = 0o755
_FILES = (b"0", b"\x00", b"7")
_LONG_NAME, _PAX, _PAX_OF_ALL = b"L", b"x", b"g"


class File(NamedTuple):
    """A file of an archive.

    Attributes:
        name: its name.
        data: its bytes, a part of the archive.
    """

    name: str
    data: memoryview


def _number(field: bytes) -> int:
    """Return a number of a header: octal digits, or binary after a byte 0x80."""
    if field[:1] == b"\x80":
        return int.from_bytes(field[1:], "big")
    text = field.replace(b"\x00", b" ").strip()
    if text and not all(48 <= digit <= 55 for digit in text):
        raise BadRequest("the body is no tar archive: a header has a malformed number")
    return int(text or b"0", 8)


def _text(field: bytes) -> str:
    return field.partition(b"\x00")[0].decode("utf-8", "replace")


def _check_sum(head: bytes) -> None:
    if _number(head[148:156]) != sum(head) - sum(head[148:156]) + 8 * ord(" "):
        raise BadRequest("the body is no tar archive: the checksum of a header is wrong")


def _pax(records: bytes) -> dict[str, str]:
    """Return what a PAX header says of the next file."""
    found: dict[str, str] = {}
    at = 0
    while at < len(records):
        digits = records[at : at + 8].partition(b" ")[0]
        length = int(digits) if digits.isdigit() else 0
        keyword, equals, value = records[at + len(digits) + 1 : at + length - 1].partition(b"=")
        if not equals or at + length > len(records) or records[at + length - 1 : at + length] != b"\n":
            raise BadRequest("the body is no tar archive: a PAX header is malformed")
        found[keyword.decode("utf-8", "replace")] = value.decode("utf-8", "replace")
        at += length
    return found


def _contents(archive: memoryview, at: int, size: int) -> memoryview:
    if size + padding(size) > len(archive) - at:
        raise BadRequest("the tar archive is cut off")
    return archive[at : at + size]


def read_files(archive: memoryview) -> Iterator[File]:
    """Yield the files of an archive.

    Raises:
        BadRequest: it is none, is cut off, or holds anything but files.
    """
    at, said = 0, dict[str, str]()
    while at < len(archive):
        head = bytes(_contents(archive, at, BLOCK))
        at += BLOCK
        if head == _EMPTY:
            break
        _check_sum(head)
        size, kind = _number(head[124:136]), head[156:157]
        if kind in (_LONG_NAME, _PAX, _PAX_OF_ALL):
            if size > _MOST_NAME:
                raise BadRequest("the tar archive has a header that is too long")
            about = bytes(_contents(archive, at, size))
            if kind == _LONG_NAME:
                said["path"] = _text(about)
            elif kind == _PAX:
                said.update(_pax(about))
        elif kind in _FILES:
            if any(keyword == "size" or keyword.startswith("GNU.sparse") for keyword in said):
                raise BadRequest("the tar archive has a file of a kind that is not taken: sparse, or of over 8 GB")
            prefix = _text(head[345:500]) if head[257:263] == b"ustar\x00" else ""
            name = said.get("path", f"{prefix}/{_text(head[:100])}" if prefix else _text(head[:100]))
            yield File(name, _contents(archive, at, size))
            said = {}
        else:
            raise BadRequest(f"the tar archive has {_text(head[:100])[:80]!r}, which is no file")
        at += size + padding(size)
    if said:
        raise BadRequest("the tar archive is cut off")


def padding(size: int) -> int:
    """Return how many bytes follow a file of a size, up to the next header."""
    return -size % BLOCK


def archived_bytes(size: int) -> int:
    """Return how many bytes of an archive a file of a size takes."""
    return BLOCK + size + padding(size)


def header(name: str, size: int) -> bytes:
    """Return the header of a file: mode 0755, no owner, no times."""
    entry = tarfile.TarInfo(name)
    entry.mode = _MODE
    entry.size = size
    return entry.tobuf(tarfile.USTAR_FORMAT)

"""Tar archives, written piece by piece: a file for each key."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

__all__ = ["encode_tar"]

_BLOCK = 512
_LONGEST_NAME = 100
_END = bytes(2 * _BLOCK)


def _header(name: bytes, size: int, kind: bytes) -> bytes:
    """Return a ustar header: mode 0755, no owner, no times."""
    before = b"%-100s0000755\x000000000\x000000000\x00%011o\x0000000000000\x00" % (b"", size)
    before = name.ljust(_LONGEST_NAME, b"\x00") + before[_LONGEST_NAME:]
    after = kind + bytes(_LONGEST_NAME) + b"ustar\x0000" + bytes(64) + b"0000000\x000000000\x00"
    checksum = sum(before) + sum(after) + 8 * ord(" ")
    return (before + b"%06o\x00 " % checksum + after).ljust(_BLOCK, b"\x00")


def _padding(size: int) -> bytes:
    return bytes(-size % _BLOCK)


def _record(keyword: bytes, value: bytes) -> bytes:
    """Return a PAX record, whose length counts its own digits."""
    rest = b" " + keyword + b"=" + value + b"\n"
    length = len(rest) + 1
    while len(rest) + len(str(length)) != length:
        length = len(rest) + len(str(length))
    return str(length).encode() + rest


def _long_name(key: bytes) -> bytes:
    """Return the PAX header that gives the next file a name of any length and any letters."""
    try:
        key.decode()
        records = _record(b"path", key)
    except UnicodeDecodeError:
        records = _record(b"hdrcharset", b"BINARY") + _record(b"path", key)
    return _header(b"PaxHeaders.0", len(records), b"x") + records + _padding(len(records))


def encode_tar(pairs: Iterable[tuple[bytes, memoryview | None]]) -> Iterator[bytes | memoryview]:
    """Encode pairs as a tar in pieces; a key without a value gives an empty file."""
    for key, value in pairs:
        size = 0 if value is None else len(value)
        name = key
        if len(key) > _LONGEST_NAME or not key.isascii() or b"\x00" in key:
            yield _long_name(key)
            name = key[:_LONGEST_NAME].decode("ascii", "replace").encode("ascii", "replace").replace(b"\x00", b"_")
        yield _header(name, size, b"0")
        if value is not None:
            yield value
            yield _padding(size)
    yield _END

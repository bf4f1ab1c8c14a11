"""Answers in pieces: JSON lists and objects, tar archives, and what is put together of them before it is sent."""

from __future__ import annotations

import tarfile
from collections.abc import Iterable, Iterator

from isal import isal_zlib

from dvid_neuronjson.codec import encode_json

__all__ = ["gzipped", "in_pieces", "json_list", "json_object", "tar"]

_PIECE_BYTES = 1 << 20
_BLOCK = 512
_GZIP = 31
_LEVEL = 1
Buffer = bytes | memoryview


def in_pieces(parts: Iterable[Buffer]) -> Iterator[bytes]:
    """Join small parts to pieces of about a megabyte."""
    held: list[Buffer] = []
    count = 0
    for part in parts:
        held.append(part)
        count += len(part)
        if count >= _PIECE_BYTES:
            yield b"".join(held)
            held, count = [], 0
    if count:
        yield b"".join(held)


def gzipped(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Compress pieces as one gzip stream."""
    stream = isal_zlib.compressobj(_LEVEL, wbits=_GZIP)
    for piece in pieces:
        if compressed := stream.compress(piece):
            yield compressed
    yield stream.flush()


def json_list(items: Iterable[Buffer]) -> Iterator[Buffer]:
    """Yield a JSON list of what is JSON already; an item may be several with commas between them."""
    separator = b"["
    for item in items:
        yield separator
        yield item
        separator = b","
    yield b"]" if separator == b"," else b"[]"


def json_object(pairs: Iterable[tuple[str, Buffer]]) -> Iterator[Buffer]:
    """Yield a JSON object of values that are JSON already."""
    separator = b"{"
    for name, value in pairs:
        yield b"%b%b:" % (separator, encode_json(name))
        yield value
        separator = b","
    yield b"}" if separator == b"," else b"{}"


def tar(pairs: Iterable[tuple[str, Buffer | None]]) -> Iterator[Buffer]:
    """Yield a tar archive with a file for each pair; one without a value gives an empty file."""
    for name, value in pairs:
        entry = tarfile.TarInfo(name)
        entry.mode = 0o755
        entry.size = len(value or b"")
        yield entry.tobuf(tarfile.USTAR_FORMAT)
        if value:
            yield value
            yield bytes(-len(value) % _BLOCK)
    yield bytes(2 * _BLOCK)

"""Forms of answers: JSON objects, tar archives, and what is compressed before it is sent."""

from __future__ import annotations

import tarfile
from collections.abc import Iterable, Iterator

from isal import isal_zlib

from dvid_framework.api import json_joined
from dvid_neuronjson.codec import encode_json

__all__ = ["gzipped", "json_object", "tar"]

_BLOCK = 512
_GZIP = 31
_LEVEL = 1
Buffer = bytes | memoryview


def gzipped(pieces: Iterable[Buffer]) -> Iterator[bytes]:
    """Compress pieces as one gzip stream."""
    stream = isal_zlib.compressobj(_LEVEL, wbits=_GZIP)
    for piece in pieces:
        if compressed := stream.compress(piece):
            yield compressed
    yield stream.flush()


def json_object(pairs: Iterable[tuple[str, Buffer]]) -> Iterator[Buffer]:
    """Yield a JSON object of values that are JSON already."""
    return json_joined((b"".join((encode_json(name), b":", value)) for name, value in pairs), b"{", b"}")


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

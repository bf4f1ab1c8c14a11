"""Blobs of a store, named by a hash of their bytes of 128 bits; unversioned, and never deleted.

Those that clients post are named by FNV-1, those that belong to mutations by MD5. Neither is safe: two blobs can be
made to collide, so a blob whose bytes differ from the kept one of the same name is refused rather than written over it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib

from dvid_framework.errors import BadRequest, Conflict, NotFound
from dvid_framework.storage.base import Store
from dvid_framework.storage.batch import Batch
from dvid_framework.storage.envelope import LZ4, open_value, seal_value
from dvid_framework.storage.keys import blob_key

__all__ = ["add_blob", "blob_reference", "get_blob", "is_name_of", "put_blob"]

_PRIME = 0x1000000000000000000013B
_BASIS = 0x6C62272E07BB014262B821756295C58D
_MASK = (1 << 128) - 1


def fnv1_128(data: bytes) -> bytes:
    """Return the 16-byte big-endian FNV-1 hash (http://www.isthe.com/chongo/tech/comp/fnv/): multiply, then xor."""
    value = _BASIS
    for byte in data:
        value = (value * _PRIME & _MASK) ^ byte
    return value.to_bytes(16, "big")


def blob_reference(data: bytes) -> str:
    """Return the URL-safe base64 of the hash: the name of a blob."""
    return base64.urlsafe_b64encode(fnv1_128(data)).decode()


def put_blob(store: Store, data: bytes) -> str:
    """Keep a blob; returns its reference.

    Raises:
        Conflict: another blob with the same hash is kept.
    """
    digest = fnv1_128(data)
    key = blob_key(digest)
    kept = store.get(key)
    if kept is None:
        batch = Batch()
        batch.put(key, seal_value(key, data, LZ4))
        store.write(batch)
        store.sync()
    elif open_value(key, kept) != data:
        raise Conflict("a blob with other bytes has the same hash; it can't be kept under this name")
    return base64.urlsafe_b64encode(digest).decode()


def _md5(data: bytes) -> bytes:
    return hashlib.md5(data, usedforsecurity=False).digest()


def add_blob(store: Store, batch: Batch, data: bytes) -> str:
    """Add a blob to a batch that belongs to a mutation; returns its reference: the URL-safe base64 of its MD5.

    Raises:
        Conflict: another blob with the same hash is kept.
    """
    digest = _md5(data)
    key = blob_key(digest)
    kept = store.get(key)
    if kept is None:
        batch.put(key, seal_value(key, data, LZ4))
    elif open_value(key, kept) != data:
        raise Conflict("a blob with other bytes has the same hash; it can't be kept under this name")
    return base64.urlsafe_b64encode(digest).decode()


def is_name_of(digest: bytes, data: bytes) -> bool:
    """Tell whether a blob may be named by a digest."""
    return digest == _md5(data) or digest == fnv1_128(data)


def get_blob(store: Store, reference: str) -> memoryview:
    """Return a blob.

    Raises:
        BadRequest: reference is no base64 of 16 bytes.
        NotFound: there is no such blob.
    """
    try:
        digest = base64.b64decode(reference.encode("ascii"), altchars=b"-_", validate=True)
    except (binascii.Error, UnicodeEncodeError) as error:
        raise BadRequest(f"{reference!r} is no reference of a blob: URL-safe base64 is needed") from error
    if len(digest) != 16:
        raise BadRequest(f"{reference!r} is no reference of a blob: it must stand for 16 bytes")
    key = blob_key(digest)
    sealed = store.get(key)
    if sealed is None:
        raise NotFound(f"there is no blob {reference!r}")
    return open_value(key, sealed)

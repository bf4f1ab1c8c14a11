r"""Order-preserving keys: how everything that the core stores is named.

    b"\x00" kind id                                   metadata: repos, versions, instances, counters, jobs
    b"\\x01" instance(4) type-key 00 01 version(4) m   data; m is 01 for a value and 00 for a tombstone
    b"\\x02" reference                                 blobs
    b"\\x03" seq(8)                                    the mutation log
    b"\\x04" instance(4) version(4) seq(8)             the mutation log by instance and version
    b"\\x05" name                                      cursors of the followers of the mutation log
    b"\\x07" instance(4) mutation-id(8) seq(8)         the mutation log by instance and mutation id

Numbers are big-endian. In a type key 00 is written as 00 FF, so that 00 01 ends it: keys sort as their type keys do, a
type key that is a prefix of another comes first, and the versions of one type key stand side by side. The marker is in
the key and not in the value, so that a scan of keys alone (all that a bucket offers cheaply) tells what is visible.
"""

from __future__ import annotations

from collections.abc import Sequence
from struct import Struct

__all__ = [
    "BLOB",
    "CURSOR",
    "DATA",
    "LOG",
    "LOG_BY_MUTATION",
    "LOG_BY_VERSION",
    "METADATA",
    "TAIL",
    "TOMBSTONE",
    "VALUE",
    "after_prefix",
    "blob_key",
    "cursor_key",
    "data_prefix",
    "data_starts",
    "decode_type_key",
    "encode_type_key",
    "instance_bounds",
    "job_bounds",
    "job_key",
    "log_by_mutation_key",
    "log_by_version_key",
    "log_key",
    "metadata_key",
    "number_of_log_key",
    "tail_of",
    "type_keys_of",
]

METADATA, DATA, BLOB, LOG, LOG_BY_VERSION, CURSOR = b"\x00", b"\x01", b"\x02", b"\x03", b"\x04", b"\x05"
LOG_BY_MUTATION = b"\x07"  # 06 is for stores of single rows, which keep their units there
VALUE, TOMBSTONE = 1, 0
TAIL = Struct(">IB")
"""version id and marker: the end of each data key."""
_INSTANCE = Struct(">cI")
_LOG = Struct(">cQ")
_LOG_BY_VERSION = Struct(">cIIQ")
_LOG_BY_MUTATION = Struct(">cIQQ")
_END = b"\x00\x01"
_JOB = METADATA + b"job:"


def encode_type_key(type_key: bytes) -> bytes:
    """Return the order-preserving, prefix-free form of a type key."""
    if b"\x00" in type_key:
        type_key = type_key.replace(b"\x00", b"\x00\xff")
    return type_key + _END


def data_starts(prefix: bytes, type_keys: Sequence[bytes]) -> list[bytes]:
    """Return what the data keys of some type keys of an instance begin with: its prefix, and their encoded forms."""
    if b"\x00" in b"".join(type_keys):
        return [prefix + type_key.replace(b"\x00", b"\x00\xff") + _END for type_key in type_keys]
    return [prefix + type_key + _END for type_key in type_keys]


def decode_type_key(encoded: bytes) -> bytes:
    """Return the type key of `encode_type_key`'s result."""
    type_key = encoded[:-2]
    return type_key.replace(b"\x00\xff", b"\x00") if b"\x00" in type_key else type_key


def type_keys_of(stored: Sequence[bytes], prefix: bytes) -> list[bytes]:
    """Return the type keys of data keys that begin with the prefix of an instance."""
    first, last = len(prefix), -TAIL.size - len(_END)
    type_keys = [key[first:last] for key in stored]
    if b"\x00" in b"".join(type_keys):
        return [type_key.replace(b"\x00\xff", b"\x00") for type_key in type_keys]
    return type_keys


def data_prefix(instance: int) -> bytes:
    """Return what all data keys of an instance begin with."""
    return _INSTANCE.pack(DATA, instance)


def tail_of(version: int, marker: int) -> bytes:
    """Return the end of a data key: version and marker."""
    return TAIL.pack(version, marker)


def instance_bounds(instance: int) -> tuple[bytes, bytes]:
    """Return (start, stop) of all data keys of an instance."""
    return data_prefix(instance), _INSTANCE.pack(DATA, instance + 1)


def metadata_key(kind: bytes, number: int | None = None) -> bytes:
    """Return the key of a metadata record; kind is a few letters."""
    return METADATA + kind + (b"" if number is None else b":" + number.to_bytes(4, "big"))


def job_key(number: str) -> bytes:
    """Return the key of a job's record by its id, 32 hex digits."""
    return _JOB + bytes.fromhex(number)


def job_bounds() -> tuple[bytes, bytes]:
    """Return (start, stop) of all records of jobs."""
    return _JOB, after_prefix(_JOB)


def blob_key(reference: bytes) -> bytes:
    """Return the key of a blob by its hash."""
    return BLOB + reference


def log_key(seq: int) -> bytes:
    """Return the key of a mutation record."""
    return _LOG.pack(LOG, seq)


def number_of_log_key(key: bytes) -> int:
    """Return the seq at the end of a key of either log."""
    return int.from_bytes(key[-8:], "big")


def log_by_version_key(instance: int, version: int, seq: int) -> bytes:
    """Return the key that names a mutation record by instance and version."""
    return _LOG_BY_VERSION.pack(LOG_BY_VERSION, instance, version, seq)


def log_by_mutation_key(instance: int, mutation_id: int, seq: int) -> bytes:
    """Return the key that names a mutation record by instance and mutation id."""
    return _LOG_BY_MUTATION.pack(LOG_BY_MUTATION, instance, mutation_id, seq)


def cursor_key(follower: str) -> bytes:
    """Return the key of a follower's durable cursor."""
    return CURSOR + follower.encode()


def after_prefix(prefix: bytes) -> bytes:
    """Return the smallest key that is larger than all keys that begin with prefix."""
    stripped = prefix.rstrip(b"\xff")
    if not stripped:
        return b"\xff" * (len(prefix) + 64)
    return stripped[:-1] + bytes([stripped[-1] + 1])

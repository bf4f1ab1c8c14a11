"""Many values of one version sealed at once: natively where dvid-kernels is installed, else one by one.

The choice is made once, at import. `DVID_KERNELS=numpy` in the environment asks for the slower way. Both seal values so
that `open_value` reads them.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Sequence
from typing import NamedTuple

from dvid_framework.storage.envelope import LZ4, NONE, seal_value
from dvid_framework.storage.keys import encode_type_key

__all__ = ["Buffer", "Operations", "PutKeys", "is_native", "seal_one_by_one", "seal_puts"]

Buffer = bytes | bytearray | memoryview
Operations = list[tuple[bytes, bytes | None]]
"""Keys and values; None for a key that goes."""


class PutKeys(NamedTuple):
    """What the keys of an instance at a version have in common.

    Attributes:
        prefix: what they begin with.
        value_tail: the end of a value's key.
        tombstone_tail: the end of a tombstone's key.
    """

    prefix: bytes
    value_tail: bytes
    tombstone_tail: bytes


def seal_one_by_one(
    keys: PutKeys, type_keys: Sequence[bytes], values: Sequence[Buffer], codec: int
) -> tuple[Operations, int]:
    """Return the operations of puts, and their bytes: each value comes, and its tombstone goes.

    Args:
        keys: what the keys have in common.
        type_keys: the key of each value.
        values: what is put.
        codec: NONE, LZ4 or ZLIB.

    Raises:
        ValueError: a value has 4 GiB or more, or there is not one key for each.
    """
    operations: Operations = []
    count = 0
    for type_key, value in zip(type_keys, values, strict=True):
        encoded = keys.prefix + encode_type_key(type_key)
        key, tombstone = encoded + keys.value_tail, encoded + keys.tombstone_tail
        sealed = seal_value(key, bytes(value), codec)
        operations += ((key, sealed), (tombstone, None))
        count += len(key) + len(sealed) + len(tombstone)
    return operations, count


def is_native() -> bool:
    """Tell whether the native kernels are installed and wanted."""
    return os.environ.get("DVID_KERNELS") != "numpy" and importlib.util.find_spec("dvid_kernels") is not None


if is_native():
    from dvid_kernels import seal_puts as _seal_natively

    def seal_puts(
        keys: PutKeys, type_keys: Sequence[bytes], values: Sequence[Buffer], codec: int
    ) -> tuple[Operations, int]:
        """Return the operations of puts, and their bytes; see `seal_one_by_one`."""
        if codec not in (NONE, LZ4):
            return seal_one_by_one(keys, type_keys, values, codec)
        return _seal_natively(*keys, type_keys, values, codec)

else:
    seal_puts = seal_one_by_one

"""Many envelopes opened at once: natively where dvid-kernels is installed, else one by one.

The choice is made once, at import. `DVID_KERNELS=numpy` in the environment asks for the slower way. Both give what
`open_value` does, and what is damaged is an error of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import starmap

from dvid_framework.storage.envelope import NONE, open_value
from dvid_framework.storage.sealing import is_native

__all__ = ["Pair", "open_each", "open_one", "open_one_by_one"]

Pair = tuple[bytes, bytes]
"""A stored key and what is stored under it."""
_LARGE = 1 << 15  # bytes from which the native way is quicker for one value: it copies nothing
_FEW = 4


def open_one_by_one(pairs: Sequence[Pair]) -> Iterator[memoryview]:
    """Yield the value in the envelope of each pair, in their order.

    Args:
        pairs: keys, and what is stored under them.

    Raises:
        CorruptValue: an envelope is damaged; it is raised where its value should come.
    """
    return starmap(open_value, pairs)


if is_native():
    from dvid_kernels import open_values as _open_natively

    def open_each(pairs: Sequence[Pair]) -> Iterator[memoryview]:
        """Yield the value in the envelope of each pair, in their order; see `open_one_by_one`."""
        if len(pairs) < _FEW and not any(len(sealed) >= _LARGE and sealed[0] == NONE for _, sealed in pairs):
            return starmap(open_value, pairs)
        values, left = _open_natively(pairs)
        return _with_those_left(pairs, values) if left else iter(values)  # type: ignore[arg-type]  # none is None

    def open_one(key: bytes, sealed: bytes) -> memoryview:
        """Return the value in an envelope; see `open_value`."""
        if len(sealed) < _LARGE or sealed[0] != NONE:
            return open_value(key, sealed)
        value = _open_natively(((key, sealed),))[0][0]
        return open_value(key, sealed) if value is None else value

    def _with_those_left(pairs: Sequence[Pair], values: Sequence[memoryview | None]) -> Iterator[memoryview]:
        """Open what is packed in another way or is large; of what is damaged, that tells how."""
        for pair, value in zip(pairs, values, strict=True):
            yield open_value(*pair) if value is None else value

else:
    open_each = open_one_by_one
    open_one = open_value

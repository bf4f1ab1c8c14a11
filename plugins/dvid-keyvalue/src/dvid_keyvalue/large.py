"""Which keys have large values: such a value is read in a thread, so that nobody waits for it on the event loop."""

from __future__ import annotations

__all__ = ["LARGE_BYTES", "LargeKeys"]

LARGE_BYTES = 2 << 20
_MOST = 100_000


class LargeKeys:
    """Keys under which a large value was written or read lately, at any version.

    Not all of them need be known: the first read of one after a start finds it out.
    """

    def __init__(self) -> None:
        self._keys: set[bytes] = set()

    def __contains__(self, key: bytes) -> bool:
        return key in self._keys

    def __len__(self) -> int:
        return len(self._keys)

    def note(self, key: bytes, size: int) -> None:
        """Note how many bytes a value has."""
        if size >= LARGE_BYTES:
            if len(self._keys) >= _MOST:
                self._keys.clear()
            self._keys.add(key)
        elif self._keys:
            self._keys.discard(key)

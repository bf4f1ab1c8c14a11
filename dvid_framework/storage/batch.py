"""A batch of puts and deletes that a store applies as one."""

from __future__ import annotations

from collections.abc import Iterator

__all__ = ["Batch"]


class Batch:
    """Puts and deletes in order; a later one of the same key wins."""

    __slots__ = ("_operations", "stored_bytes")

    def __init__(self) -> None:
        self._operations: list[tuple[bytes, bytes | None]] = []
        self.stored_bytes = 0

    def put(self, key: bytes, value: bytes) -> None:
        """Set key to value."""
        self._operations.append((key, value))
        self.stored_bytes += len(key) + len(value)

    def delete(self, key: bytes) -> None:
        """Remove key; nothing happens if there is none."""
        self._operations.append((key, None))
        self.stored_bytes += len(key)

    def add(self, operations: list[tuple[bytes, bytes | None]], stored_bytes: int) -> None:
        """Append operations, and count their bytes."""
        self._operations += operations
        self.stored_bytes += stored_bytes

    def extend(self, other: Batch) -> None:
        """Append the operations of another batch."""
        self._operations.extend(other._operations)
        self.stored_bytes += other.stored_bytes

    def __iter__(self) -> Iterator[tuple[bytes, bytes | None]]:
        """Yield (key, value), with None as the value of a delete."""
        return iter(self._operations)

    def __len__(self) -> int:
        return len(self._operations)

"""What a mutation did to the labels of elements, as followers are told."""

from __future__ import annotations

import numpy as np

from dvid_annotation.model import Position
from dvid_framework.api import LABEL_CHANGES, Txn

__all__ = ["LabelChanges"]


class LabelChanges:
    """The label and kind of elements before a mutation and since, in order."""

    def __init__(self) -> None:
        self._changes: list[tuple[Position, int, int, int, int]] = []

    def __len__(self) -> int:
        return len(self._changes)

    def add(self, position: Position, before: tuple[int, int], since: tuple[int, int]) -> None:
        """Add that of an element.

        Args:
            position: where it is, or was last.
            before: kind and label that it had; label 0 for none.
            since: kind and label that it has.
        """
        if before != since and (before[1] or since[1]):
            self._changes.append((position, before[0], since[0], before[1], since[1]))

    def emit(self, txn: Txn, action: str, **fields: object) -> None:
        """Add the entry of a mutation to its record, with these changes."""
        table = np.array(self._changes, LABEL_CHANGES).tobytes()
        txn.emit(action, **fields, **({"_LabelChanges": table} if table else {}))

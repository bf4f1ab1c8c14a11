"""What a mutation did to the labels of elements, as followers are told."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from dvid_annotation.model import KINDS, Position
from dvid_framework.api import LABEL_CHANGES, Txn

__all__ = ["FOLLOWED", "LabelChanges", "delta"]

FOLLOWED = {
    "blocks": "mutate-block",
    "ingest-blocks": "ingest-block",
    "merge-complete": "merge",
    "renumber-complete": "merge",
    "unsplit-complete": "merge",
    "cleave-complete": "cleave",
    "split-complete": "split",
}
"""By the action of a label type, that of the record of what it did to elements; those are published too."""


def delta(entry: Mapping[str, Any]) -> dict[str, list[dict[str, Any]] | None]:
    """Return the changes of an entry as consumers of messages know them: what lists lost, and what they got."""
    changes = np.frombuffer(entry.get("_LabelChanges", b""), LABEL_CHANGES)
    found: dict[str, list[dict[str, Any]] | None] = {}
    for name, kind, label in (("Add", "kind", "label"), ("Del", "kind_before", "label_before")):
        some = changes[changes[label] != 0]
        columns = (some[label].tolist(), some[kind].tolist(), some["position"].tolist())
        rows = [{"Label": at, "Kind": KINDS[number], "Pos": pos} for at, number, pos in zip(*columns, strict=True)]
        found[name] = rows or None
    return found


class LabelChanges:
    """The label and kind of elements before a mutation and since, in order."""

    def __init__(self) -> None:
        self._changes: list[tuple[Position, int, int, int, int]] = []

    def __len__(self) -> int:
        return len(self._changes)

    def action_after(self, action: str) -> str:
        """Return the action of the record of what a label type's action did to elements.

        Voxels that gave labels to elements and took none from them were ingested, whoever wrote them how.
        """
        if action == "blocks" and not any(label for *_, label, _ in self._changes):
            return "ingest-block"
        return FOLLOWED.get(action, "mutate-block")

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

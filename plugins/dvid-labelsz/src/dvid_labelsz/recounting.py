"""Counting anew what the annotation holds now."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np

from dvid_framework.api import LabelledPoints, VersionRecord
from dvid_labelsz.counting import rows_of, write_rows
from dvid_labelsz.model import COUNTED, MOST, Counts, Labels
from dvid_labelsz.ranks import COUNTS, MARK, RANKS

if TYPE_CHECKING:
    from dvid_labelsz.instance import LabelSizeInstance

__all__ = ["RELOAD_JOB", "RUNNING", "recount"]

RELOAD_JOB = "reload"
RUNNING = b"\xff" * 8
_ROWS_AT_ONCE = 10_000


def recount(instance: LabelSizeInstance, version: VersionRecord, user: str = "") -> None:
    """Make the counts of a version those of the elements that the annotation has now; without one nothing happens.

    Nothing is taken in meanwhile. Killed half way it leaves a mark: then counts are refused, and mutations passed over,
    until it is done again from its beginning. In the end the mark says which mutations are counted already.
    """
    leader: Any = instance.leader()  # None or a `LabelledPoints`, which is no class of instances
    if leader is None:
        return
    with instance.lock:
        with instance.begin(version, user=user) as txn:
            txn.put(MARK, RUNNING)
            txn.emit("reload-begin")
            txn.mark_internal()
        number, labels, counts = _counted(instance, leader, version)
        _replace(instance, version, rows_of(labels, counts))
        with instance.begin(version, user=user, lift_lock=True) as txn:
            txn.put(MARK, number.to_bytes(8, "big"))
            txn.emit("reload", Labels=len(labels))
            txn.mark_internal()


def _counted(instance: LabelSizeInstance, leader: LabelledPoints, version: VersionRecord) -> tuple[int, Labels, Counts]:
    """Return the last mutation that is counted, the labels, each once, and their counts."""
    columns = instance.columns(leader.point_kinds())
    number, points = leader.labelled_points(version)
    names: list[int] = []
    rows: list[np.ndarray[tuple[int], np.dtype[np.int64]]] = []
    for label, kinds, positions in points:
        counted = columns[kinds[instance.inside(positions)]]
        row = np.bincount(counted[counted >= 0], minlength=len(COUNTED))
        if names and names[-1] == label:
            rows[-1] += row
        else:
            names.append(label)
            rows.append(row)
    counts = np.array(rows, np.int64).reshape(-1, len(COUNTED)).clip(max=MOST)
    return number, np.array(names, np.uint64), counts


def _replace(instance: LabelSizeInstance, version: VersionRecord, rows: dict[bytes, bytes]) -> None:
    """Write rows, and delete all others."""
    with instance.view(version) as view:
        former = [key for prefix in (COUNTS, RANKS) for key in view.keys(prefix, bytes([prefix[0] + 1]))]
    changes: dict[bytes, bytes] = dict.fromkeys(former, b"") | rows
    left = iter(changes.items())
    while some := list(islice(left, _ROWS_AT_ONCE)):
        # The version may have been committed since the beginning; half a count must not stay in it.
        with instance.begin(version, lift_lock=True, durable=False) as txn:
            write_rows(txn, dict(some))
            txn.emit("reload-part")
            txn.mark_internal()

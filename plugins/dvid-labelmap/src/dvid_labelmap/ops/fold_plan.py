"""Which runs of a version are folded into one next, so that there are few of them however many were posted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from dvid_labelmap.mapping_codec import RunRecord
from dvid_labelmap.ops.chains import LONG_RUN

__all__ = ["Fold", "next_fold"]

_FAN_IN = 8
_WORTH = 16


class Fold(NamedTuple):
    """Runs to be folded.

    Attributes:
        first: number of the first.
        end: number of the one behind the last.
        is_urgent: whether it should not wait for a pause.
    """

    first: int
    end: int
    is_urgent: bool


def _tier(run: RunRecord) -> int:
    tier, size = 0, run.entries // LONG_RUN
    while size >= _FAN_IN:
        tier, size = tier + 1, size // _FAN_IN
    return tier


def next_fold(runs: Sequence[RunRecord]) -> Fold | None:
    """Return what to fold of the runs of a version, the earliest first; None if nothing is worth it.

    Short runs at the end are left to the changes that come. Of the others, eight or more that are alike are folded at
    once, and so are runs of the former stored form; in a pause, all behind one that they are a sixteenth of.
    """
    end = len(runs)
    while end and runs[end - 1].entries <= LONG_RUN:
        end -= 1
    former = sum(1 for run in runs[:end] if run.former)  # they are the earliest
    if former:
        return Fold(0, former, is_urgent=True)
    tiers = [_tier(run) for run in runs[:end]]
    for tier in sorted(set(tiers)):
        first = end
        while first and tiers[first - 1] <= tier:
            first -= 1
        if tiers[first:].count(tier) >= _FAN_IN:
            return Fold(first, end, is_urgent=True)
    behind = 0
    found = None
    for first in range(end - 1, -1, -1):
        if behind and behind * _WORTH >= runs[first].entries:
            found = Fold(first, end, is_urgent=False)
        behind += runs[first].entries
    return found

"""Settings, and what is counted."""

from __future__ import annotations

from typing import TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray

from dvid_framework.api import BadRequest

__all__ = [
    "ALL_SYNAPSES",
    "COUNTED",
    "MOST",
    "RANKED",
    "SYNAPSES",
    "VOXELS",
    "Counts",
    "LabelSizeSettings",
    "Labels",
    "parse_type",
]

COUNTED = ("PostSyn", "PreSyn", "Gap", "Note")
"""The kinds that are counted: the columns of `Counts`."""
ALL_SYNAPSES = "AllSyn"
SYNAPSES = 3
"""How many of the first columns are synapses."""
VOXELS = "Voxels"
"""A type that can be asked for and is never counted."""
RANKED = (*COUNTED, ALL_SYNAPSES)
"""The types that labels are ranked by: their places are their stored numbers."""
MOST = (1 << 32) - 1
"""The largest count."""

Labels: TypeAlias = NDArray[np.uint64]
Counts: TypeAlias = NDArray[np.int64]
"""Shape (n, 4): for each label how many elements of each of `COUNTED` it has, or how many more."""


class LabelSizeSettings(msgspec.Struct):
    """Settings of an instance.

    Attributes:
        roi: `NAME,UUID` of the region outside of which nothing counts; empty for none.
    """

    roi: str = ""


def parse_type(text: str) -> str:
    """Return a type that can be asked for.

    Raises:
        BadRequest: there is none of that name.
    """
    if text not in (*RANKED, VOXELS):
        raise BadRequest(f"{text[:30]!r} is no index type: they are {', '.join((*RANKED, VOXELS))}")
    return text

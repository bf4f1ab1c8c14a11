"""Some at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

__all__ = ["batched"]

_T = TypeVar("_T")


def batched(values: Iterable[_T], count: int) -> Iterator[list[_T]]:
    """Yield values in lists of `count`; the last one may be shorter."""
    left = iter(values)
    while some := list(islice(left, count)):
        yield some

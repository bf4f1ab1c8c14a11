"""The same function on many items, on a call's own threads; for C functions that release the GIL."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

__all__ = ["each"]

Item = TypeVar("Item")
Result = TypeVar("Result")
#: Threads cost about as much as one label block takes to compress.
_WORTH_THREADS = 4


def each(function: Callable[[Item], Result], items: Sequence[Item], threads: int) -> list[Result]:
    """Call `function` on every item, on up to `threads` threads; results in the order of the items."""
    if threads == 1 or len(items) < _WORTH_THREADS:
        return [function(item) for item in items]
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(function, items))

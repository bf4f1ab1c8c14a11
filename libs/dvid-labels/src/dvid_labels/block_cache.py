"""The place of the native kernels' cache of inflated blocks where they are not installed."""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from dvid_labels.types import Payloads

__all__ = ["BlockCache", "State"]

State: TypeAlias = tuple[int, int, int, int]
"""Whose blocks names are of: number of an instance, of a version, of a state of its data, and the scale."""


class BlockCache:
    """Inflated blocks by the bytes that they were inflated from, at most `limit` bytes of them.

    The numpy kernels take it and keep nothing in it.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit

    def size(self) -> int:
        """Return how many bytes are kept."""
        return 0

    def name(self, state: State, blocks: NDArray[np.int64], payloads: Payloads) -> None:
        """Give the blocks of a state their names, by which `labels_kept` finds them.

        Args:
            state: the state; it must never have other blocks.
            blocks: block coordinates, int64 (n, 3) as x, y, z.
            payloads: what is stored of each; None where nothing is.

        Raises:
            ValueError: there is not one payload for each block.
        """
        if len(blocks) != len(payloads):
            raise ValueError("there must be one payload for each block")

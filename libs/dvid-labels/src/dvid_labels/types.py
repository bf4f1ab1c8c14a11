"""Names for the types that the functions of this library take and give."""

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["Buffer", "Labels", "Mapping", "Payloads", "Shape"]

Buffer: TypeAlias = bytes | bytearray | memoryview
Shape: TypeAlias = tuple[int, int, int]
Labels: TypeAlias = NDArray[np.uint64]
Mapping: TypeAlias = tuple[Labels, Labels]
Payloads: TypeAlias = Sequence[Buffer | None]

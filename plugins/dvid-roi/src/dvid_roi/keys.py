"""Stored keys of runs, one key for each: z, y and x0 as big-endian int32 with the sign flipped, then x1 - x0 as uint32.

So keys sort by z, y, x0 and then length, and a version inherits run by run what its ancestors have.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from dvid_roi.model import Runs

__all__ = ["KEY_BYTES", "decode_runs", "encode_runs"]

KEY_BYTES = 16
_SIGN = np.uint32(1 << 31)


def encode_runs(runs: Runs) -> list[bytes]:
    """Return the keys of runs (z, y, x0, x1), in their order."""
    wide = runs.astype(np.int64)
    wide[:, 3] -= wide[:, 2]
    numbers = wide.astype(np.uint32)
    numbers[:, :3] ^= _SIGN
    packed = numbers.astype(">u4").tobytes()
    return [packed[at : at + KEY_BYTES] for at in range(0, len(packed), KEY_BYTES)]


def decode_runs(keys: Iterable[bytes]) -> Runs:
    """Return the runs (z, y, x0, x1) of keys, in their order."""
    numbers: NDArray[np.uint32] = np.frombuffer(b"".join(keys), ">u4").reshape(-1, 4).astype(np.uint32)
    numbers[:, :3] ^= _SIGN
    numbers[:, 3] += numbers[:, 2]
    return numbers.view(np.int32)

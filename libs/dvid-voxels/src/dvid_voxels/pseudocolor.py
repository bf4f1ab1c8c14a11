"""A colour for every label, by hash, as DVID paints them."""

import numpy as np
from numpy.typing import NDArray

__all__ = ["label_hash", "pseudocolor"]


def _rotate(values: NDArray[np.uint32], bits: int) -> NDArray[np.uint32]:
    return values << np.uint32(bits) | values >> np.uint32(32 - bits)


def label_hash(labels: NDArray[np.uint64]) -> NDArray[np.uint32]:
    """Hash labels: murmurhash3 (x86, 32 bits, seed 0) of their 8 little-endian bytes.

    Args:
        labels: uint64, any shape.

    Returns:
        uint32 of the same shape.
    """
    # At least 1d: numpy warns when scalars overflow, as is meant here.
    flat = np.atleast_1d(labels)
    state = np.zeros(flat.shape, np.uint32)
    for shift in (0, 32):
        word = (flat >> np.uint64(shift)).astype(np.uint32) * np.uint32(0xCC9E2D51)
        state ^= _rotate(word, 15) * np.uint32(0x1B873593)
        state = _rotate(state, 13) * np.uint32(5) + np.uint32(0xE6546B64)
    state ^= np.uint32(8)
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35)):
        state = (state ^ state >> np.uint32(shift)) * np.uint32(factor)
    return (state ^ state >> np.uint32(16)).reshape(labels.shape)


def pseudocolor(labels: NDArray[np.uint64]) -> NDArray[np.uint8]:
    """Colour labels: red, green, blue are the first three bytes of the big-endian hash.

    Args:
        labels: uint64 (rows, columns), or any other shape.

    Returns:
        uint8 (rows, columns, 3).
    """
    unique, inverse = np.unique(labels, return_inverse=True)
    # Indexing of zero labels must still give three channels.
    colors = label_hash(unique).astype(">u4").view(np.uint8).reshape(-1, 4)[:, :3]
    return colors[inverse.reshape(labels.shape)]

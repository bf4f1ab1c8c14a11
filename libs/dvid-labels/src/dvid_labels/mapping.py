"""Supervoxel to body, by sorted arrays."""

import numpy as np

from dvid_labels.types import Labels, Mapping

__all__ = ["check_mapping", "map_labels"]


def check_mapping(mapping: Mapping | None) -> Mapping | None:
    """Check and normalise a mapping: two contiguous uint64 arrays (n,), or None for an absent or empty one.

    Raises:
        ValueError: the arrays are not parallel.
    """
    if mapping is None or len(mapping[0]) == 0:
        return None
    source = np.require(mapping[0], np.uint64, ["C", "A"])
    target = np.require(mapping[1], np.uint64, ["C", "A"])
    if source.ndim != 1 or source.shape != target.shape:
        raise ValueError("the two arrays of the mapping differ in length")
    return source, target


def map_labels(labels: Labels, mapping: Mapping | None) -> Labels:
    """Map labels; those that are not in the mapping stay.

    Args:
        labels: uint64, any shape.
        mapping: sorted unique `from` and parallel `to`, uint64 (n,), or None.

    Returns:
        uint64 of the shape of `labels`.
    """
    mapping = check_mapping(mapping)
    if mapping is None:
        return labels
    source, target = mapping
    at = np.minimum(np.searchsorted(source, labels), len(source) - 1)
    return np.where(source[at] == labels, target[at], labels)

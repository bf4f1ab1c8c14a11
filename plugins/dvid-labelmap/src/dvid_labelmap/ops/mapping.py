"""The one place where supervoxels become bodies: what kernels are given as `mapping`."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from dvid_labels.types import Buffer, Labels, Mapping

from dvid_framework.api import View
from dvid_labelmap.ops.chains import EffectiveMapping
from dvid_labelmap.ops.mapping_store import WHOLE_ENTRIES

if TYPE_CHECKING:
    from dvid_labelmap.instance import LabelMapInstance

__all__ = ["BodyMapping", "bodies_of", "body_mapping", "body_of", "kernel_mapping"]

_GZIP = 31
_HEAD_BYTES = 16
_MOST_LABELS = 1 << 24


class BodyMapping:
    """What supervoxels are mapped to at a version."""

    def __init__(self, instance: LabelMapInstance, view: View) -> None:
        self._instance = instance
        self._view = view

    @cached_property
    def _entries(self) -> EffectiveMapping:
        """Made at first use, which may take long after a start."""
        return self._instance.mappings.chain(self._view)

    def is_at_hand(self) -> bool:
        """Tell whether it can be used at once; if not, its first use takes long, and must not be on the event loop."""
        entries = self._instance.mappings.chain_at_hand(self._view)
        if entries is not None:
            self._entries = entries
        return entries is not None

    def of_blocks(self, payloads: Sequence[Buffer | None]) -> Mapping | None:
        """Return the mapping that kernels need for some blocks: sorted labels and their bodies; None if none changes.

        Args:
            payloads: the blocks, as they are stored; None for those that are not there.
        """
        chain = self._entries.chain
        if not chain.runs:
            return None
        if chain.is_whole and len(chain) <= WHOLE_ENTRIES:
            return chain.flat
        tables = [_table(payload) for payload in payloads if payload is not None]
        if not tables:
            return None
        labels = np.unique(np.concatenate(tables))
        found, targets = self._entries.find(labels)
        return (labels[found], targets[found]) if found.any() else None

    def map(self, labels: Labels) -> Labels:
        """Return the bodies of supervoxels, uint64 of the shape of `labels`."""
        return self._entries.map(labels)

    def map_one(self, label: int) -> int:
        """Return the body of one supervoxel."""
        found = self._entries.map_one(label)
        return label if found is None else found


def _table(payload: Buffer) -> Labels:
    """Return the label table of a gzipped label block without inflating more; nothing of a damaged one."""
    inflate = zlib.decompressobj(_GZIP)
    try:
        head = inflate.decompress(payload, _HEAD_BYTES)
        count = min(int.from_bytes(head[12:], "little"), _MOST_LABELS)
        table = inflate.decompress(inflate.unconsumed_tail, 8 * count) if count else b""
    except zlib.error:
        return np.zeros(0, np.uint64)  # the kernel that reads it tells what is wrong
    return np.frombuffer(table, "<u8", len(table) // 8)


def body_mapping(instance: LabelMapInstance, view: View, supervoxels: bool) -> BodyMapping | None:
    """Return what supervoxels are mapped to at a version.

    Args:
        instance: the instance.
        view: the version.
        supervoxels: whether labels are asked for as they are stored.

    Returns:
        The mapping, or None if every supervoxel is shown as it is.
    """
    return None if supervoxels else BodyMapping(instance, view)


def kernel_mapping(mapping: BodyMapping | None, payloads: Sequence[Buffer | None]) -> Mapping | None:
    """Return what kernels take as `mapping` for some blocks."""
    return None if mapping is None else mapping.of_blocks(payloads)


def bodies_of(instance: LabelMapInstance, view: View, supervoxels: Labels) -> Labels:
    """Return the bodies of supervoxels, uint64 of the same shape; those without an entry are bodies of their own."""
    entries = instance.mappings.chain(view)
    return entries.map(supervoxels) if entries.chain.runs else supervoxels


def body_of(instance: LabelMapInstance, view: View, supervoxel: int) -> int:
    """Return the body of one supervoxel; 0 if it was split and is no more."""
    found = instance.mappings.chain(view).map_one(supervoxel)
    return supervoxel if found is None else found

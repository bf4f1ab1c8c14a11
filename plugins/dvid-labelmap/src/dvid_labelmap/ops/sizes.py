"""Sizes of bodies and supervoxels, and what supervoxels are mapped to."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from dvid_labels import kernels
from dvid_labels.types import Labels
from dvid_voxels.geometry import Triple

from dvid_framework.api import BadRequest, NotFound, View
from dvid_labelmap.index_codec import stored_bodies
from dvid_labelmap.keys import summary_keys
from dvid_labelmap.ops.body_index import BodyIndex, read_index, supervoxel_sizes
from dvid_labelmap.ops.index_rows import Integers
from dvid_labelmap.ops.mapping import bodies_of, body_of

if TYPE_CHECKING:
    from dvid_labelmap.instance import LabelMapInstance

__all__ = [
    "BodySize",
    "body_sizes",
    "existing_body_of",
    "mapped",
    "sizes_of_supervoxels",
    "supervoxel_index",
    "supervoxel_size",
]


class BodySize(NamedTuple):
    """How large a body or supervoxel is.

    Attributes:
        voxels: how many it has.
        blocks: how many blocks hold some of it.
        low: smallest block coordinate (x, y, z) along each axis.
        high: largest block coordinate.
    """

    voxels: int
    blocks: int
    low: Triple
    high: Triple


def body_sizes(view: View, bodies: Labels) -> Labels:
    """Return the voxels of each body, uint64 (n,); 0 for what is none.

    Raises:
        CorruptValue: what is stored of one is damaged.
    """
    return _stored_sizes(view, bodies)[0]


def _stored_sizes(view: View, bodies: Labels) -> tuple[Labels, Labels]:
    """Return the voxels of each body, and how many are of the supervoxel with its own id, uint64 (n,) each."""
    values = view.multi_get(summary_keys(bodies))
    with stored_bodies():
        return kernels.stored_sizes(values)


def existing_body_of(instance: LabelMapInstance, view: View, supervoxel: int) -> int:
    """Return the body of a supervoxel.

    Raises:
        BadRequest: it was split and is no more.
    """
    body = body_of(instance, view, supervoxel)
    if not body:
        raise BadRequest(f"the supervoxel {supervoxel} was split and is no more")
    return body


def supervoxel_index(instance: LabelMapInstance, view: View, supervoxel: int) -> BodyIndex:
    """Return the part of its body's index that is of a supervoxel.

    Raises:
        BadRequest: it was split and is no more.
        NotFound: there is none of that id.
    """
    index = read_index(view, existing_body_of(instance, view, supervoxel))
    part = None if index is None else index.of_supervoxel(supervoxel)
    if part is None or not len(part.voxels):
        raise NotFound("")
    return part


def supervoxel_size(instance: LabelMapInstance, view: View, supervoxel: int) -> BodySize:
    """Return how large a supervoxel is.

    Raises:
        BadRequest: it was split and is no more.
        NotFound: there is none of that id.
    """
    index = supervoxel_index(instance, view, supervoxel)
    (x0, y0, z0), (x1, y1, z1) = index.blocks.min(axis=0).tolist(), index.blocks.max(axis=0).tolist()
    return BodySize(int(index.voxels.sum(dtype=np.int64)), len(index.blocks), (x0, y0, z0), (x1, y1, z1))


def sizes_of_supervoxels(instance: LabelMapInstance, view: View, supervoxels: Labels) -> Integers:
    """Return the voxels of each supervoxel, int64 (n,); 0 for what is none.

    Each index is read once; of bodies that are one supervoxel of the same id, not even that.
    """
    names, asked = np.unique(supervoxels, return_inverse=True)
    bodies = bodies_of(instance, view, names)
    sizes = np.zeros(len(names), np.int64)
    own = np.flatnonzero((bodies == names) & (names != 0))
    sizes[own] = _stored_sizes(view, names[own])[1]
    others = np.flatnonzero((bodies != names) & (bodies != 0))
    for body in np.unique(bodies[others]).tolist():
        mine = others[bodies[others] == np.uint64(body)]
        found, voxels = supervoxel_sizes(view, body)
        if len(found):
            places = np.minimum(np.searchsorted(found, names[mine]), len(found) - 1)
            sizes[mine] = np.where(found[places] == names[mine], voxels[places], 0)
    return sizes[asked.ravel()]


def mapped(instance: LabelMapInstance, view: View, labels: Labels, *, lookup: bool) -> Labels:
    """Return the body of each label as a supervoxel, uint64 (n,).

    Args:
        instance: the instance.
        view: the version.
        labels: uint64 (n,).
        lookup: whether one without an entry counts only if it exists; 0 for those that don't.
    """
    found, targets = instance.mappings.chain(view).find(labels)
    if lookup:
        open_ = np.flatnonzero(~found & (labels != 0))
        targets[open_[_stored_sizes(view, labels[open_])[1] == 0]] = 0
    targets[labels == 0] = 0
    return targets

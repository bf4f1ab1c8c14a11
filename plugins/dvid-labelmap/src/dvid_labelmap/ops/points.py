"""Labels at single voxels."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import msgspec
import numpy as np
from dvid_labels import kernels
from dvid_voxels.geometry import INT32_MAX, INT32_MIN, Triple, parse_triple

from dvid_framework.api import BadRequest, View
from dvid_labelmap.keys import block_key
from dvid_labelmap.ops.bounds import MOST_POINTS, THREADS, bad_input, stored_blocks
from dvid_labelmap.ops.mapping import BodyMapping

__all__ = ["label_at", "labels_at", "parse_point", "parse_points"]

_points = msgspec.json.Decoder(list[tuple[int, int, int]]).decode


def parse_point(text: str) -> Triple:
    """Parse `x_y_z`.

    Raises:
        BadRequest: it is not three integers.
    """
    with bad_input():
        return parse_triple(text)


def parse_points(body: bytes, md5: str | None = None) -> list[Triple]:
    """Parse a JSON list of [x, y, z].

    Args:
        body: the JSON.
        md5: what the MD5 of the body must be, in hexadecimal.

    Raises:
        BadRequest: it is something else, a number is not an int32, or there are too many points.
    """
    if md5 and hashlib.md5(body, usedforsecurity=False).hexdigest() != md5.lower():
        raise BadRequest("the MD5 of the body is not the one of hash=")
    # Counted before they are made: a point takes far more memory than its text.
    if body.count(b"[") > MOST_POINTS + 1:
        raise BadRequest(f"at most {MOST_POINTS} points can be asked for at once")
    try:
        return _points(body)
    except (msgspec.MsgspecError, RecursionError, ValueError) as error:
        raise BadRequest(f"the body must be a JSON list of [x, y, z], all integers: {error}") from error


def label_at(view: View, point: Triple, scale: int, block_size: Triple, mapping: BodyMapping | None) -> int:
    """Return the label at a voxel (x, y, z) of a scale; 0 where nothing was written.

    Raises:
        CorruptValue: the stored block is damaged.
    """
    (x, y, z), (width, height, depth) = point, block_size
    coordinate = x // width, y // height, z // depth
    payload = view.get(block_key(scale, coordinate))
    if payload is None:
        return 0
    with stored_blocks(scale, [coordinate]):
        found = kernels.labels_at([payload], [0], [(x % width, y % height, z % depth)], block_size, None, 1)
    return int(found[0]) if mapping is None else mapping.map_one(int(found[0]))


def labels_at(
    view: View, points: Sequence[Triple], scale: int, block_size: Triple, mapping: BodyMapping | None
) -> list[int]:
    """Return the labels at voxels (x, y, z) of a scale, in their order; each block is read once.

    Raises:
        BadRequest: a coordinate is not an int32.
        CorruptValue: a stored block is damaged.
    """
    if not points:
        return []
    try:
        places = np.array(points, np.int64)
    except OverflowError as error:
        raise BadRequest("coordinates must be integers of 32 bits") from error
    if places.min() < INT32_MIN or places.max() > INT32_MAX:
        raise BadRequest("coordinates must be integers of 32 bits")
    size = np.array(block_size)
    blocks, owners = np.unique(places // size, axis=0, return_inverse=True)
    coordinates: list[Triple] = [(x, y, z) for x, y, z in blocks.tolist()]
    payloads = view.multi_get(block_key(scale, coordinate) for coordinate in coordinates)
    with stored_blocks(scale, coordinates):
        found = kernels.labels_at(payloads, owners.ravel(), places % size, block_size, None, THREADS)
    return [int(label) for label in (found if mapping is None else mapping.map(found)).tolist()]

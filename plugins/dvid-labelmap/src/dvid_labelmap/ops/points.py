"""Labels at single voxels."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
from dvid_labels import kernels
from dvid_labels.kernels import BlockCache
from dvid_voxels.geometry import INT32_MAX, INT32_MIN, Triple, parse_triple
from numpy.typing import NDArray

from dvid_framework.api import BadRequest, View
from dvid_labelmap.keys import block_key
from dvid_labelmap.ops.bounds import MOST_POINTS, THREADS, bad_input, stored_blocks
from dvid_labelmap.ops.mapping import BodyMapping

__all__ = ["BlockSource", "checked_points", "label_at", "labels_at", "parse_point", "parse_points"]

_CACHED_BLOCKS = 1024  # more would take the room of all others
_points = msgspec.json.Decoder(list[tuple[int, int, int]]).decode


def parse_point(text: str) -> Triple:
    """Parse `x_y_z`.

    Raises:
        BadRequest: it is not three integers.
    """
    with bad_input():
        return parse_triple(text)


def parse_points(body: bytes, md5: str | None = None) -> NDArray[np.int64]:
    """Parse a JSON list of [x, y, z], int64 (n, 3).

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
    points = kernels.json_points(body, MOST_POINTS)
    if points is not None:
        return points
    try:
        return checked_points(_points(body))
    except (msgspec.MsgspecError, RecursionError, ValueError) as error:
        raise BadRequest(f"the body must be a JSON list of [x, y, z], all integers: {error}") from error


def checked_points(points: Sequence[Triple]) -> NDArray[np.int64]:
    """Return points (x, y, z) as int64 (n, 3).

    Raises:
        BadRequest: a coordinate is not an int32.
    """
    try:
        places = np.array(points, np.int64).reshape(-1, 3)
    except OverflowError as error:
        raise BadRequest("coordinates must be integers of 32 bits") from error
    if len(places) and (places.min() < INT32_MIN or places.max() > INT32_MAX):
        raise BadRequest("coordinates must be integers of 32 bits")
    return places


@dataclass(frozen=True, slots=True)
class BlockSource:
    """The stored blocks of one scale of a version.

    Attributes:
        view: the version.
        block_size: voxels of a block (x, y, z).
        scale: the scale.
        cache: where inflated blocks are kept.
    """

    view: View
    block_size: Triple
    scale: int
    cache: BlockCache | None = None

    def read(self, coordinates: Iterable[Sequence[int]]) -> list[memoryview | None]:
        """Return the stored blocks at block coordinates (x, y, z), in their order; None where there is none."""
        return self.view.multi_get([block_key(self.scale, (x, y, z)) for x, y, z in coordinates])


def label_at(source: BlockSource, point: Triple, mapping: BodyMapping | None) -> int:
    """Return the label at a voxel (x, y, z); 0 where nothing was written.

    Raises:
        CorruptValue: the stored block is damaged.
    """
    (x, y, z), (width, height, depth), scale = point, source.block_size, source.scale
    coordinate = x // width, y // height, z // depth
    payload = source.view.get(block_key(scale, coordinate))
    if payload is None:
        return 0
    with stored_blocks(scale, [coordinate]):
        place = (x % width, y % height, z % depth)
        found = kernels.labels_at([payload], [0], [place], source.block_size, None, 1, source.cache)
    return int(found[0]) if mapping is None else mapping.map_one(int(found[0]))


def labels_at(source: BlockSource, points: NDArray[np.int64], mapping: BodyMapping | None) -> list[int]:
    """Return the labels at voxels, in their order; each block is read once.

    Args:
        source: the stored blocks.
        points: int64 (n, 3) as x, y, z, within int32.
        mapping: see `body_mapping`.

    Raises:
        CorruptValue: a stored block is damaged.
    """
    if not len(points):
        return []
    size = np.array(source.block_size)
    blocks, owners = _grouped(points // size)
    coordinates: list[Triple] = [(x, y, z) for x, y, z in blocks.tolist()]
    cache = source.cache if len(blocks) <= _CACHED_BLOCKS else None
    payloads = source.read(coordinates)
    with stored_blocks(source.scale, coordinates):
        found = kernels.labels_at(payloads, owners, points % size, source.block_size, None, THREADS, cache)
    labels: list[int] = (found if mapping is None else mapping.map(found)).tolist()
    return labels


def _grouped(blocks: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return each block coordinate once, sorted by z, y, x, and which of them each was."""
    low = blocks.min(axis=0)
    width, height, depth = (int(side) + 1 for side in blocks.max(axis=0) - low)
    if width * height * depth >= 1 << 62:
        found, owners = np.unique(blocks, axis=0, return_inverse=True)
        return found, owners.ravel()
    x, y, z = (blocks - low).T
    numbers, owners = np.unique((z * height + y) * width + x, return_inverse=True)
    columns = numbers % width, numbers // width % height, numbers // (width * height)
    return np.stack(columns, axis=1) + low, owners.ravel()

"""Labels at single voxels."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
from dvid_labels import kernels
from dvid_labels.block_cache import State
from dvid_labels.kernels import BlockCache
from dvid_labels.types import Labels
from dvid_voxels.geometry import INT32_MAX, INT32_MIN, Triple, parse_triple
from dvid_voxels.kernels import json_points
from numpy.typing import NDArray

from dvid_framework.api import BadRequest, View
from dvid_labelmap.keys import block_key
from dvid_labelmap.ops.bounds import MOST_POINTS, THREADS, bad_input, stored_blocks
from dvid_labelmap.ops.mapping import BodyMapping

__all__ = ["BlockSource", "checked_points", "label_at", "labels_at", "labels_at_once", "parse_point", "parse_points"]

_CACHED_BLOCKS = 1024  # more would take the room of all others
_QUICK_POINTS = 2048
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
    points = json_points(body, MOST_POINTS)
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
        instance: number of the instance, by which they have names there; None if they shall have none.
    """

    view: View
    block_size: Triple
    scale: int
    cache: BlockCache | None = None
    instance: int | None = None

    @property
    def state(self) -> State | None:
        """The state of the data that is read; None if it is not known."""
        if self.cache is None or self.instance is None or self.view.epoch is None:
            return None
        return self.instance, self.view.version, self.view.epoch, self.scale

    def labels_kept(self, points: NDArray[np.int64]) -> Labels | None:
        """Return the supervoxels at voxels, int64 (n, 3) as x, y, z, of blocks that are all kept; else None."""
        state = self.state
        if state is None or self.cache is None:
            return None
        return kernels.labels_kept(self.cache, state, points, self.block_size)

    def keep(self, blocks: NDArray[np.int64], payloads: Sequence[memoryview | None]) -> None:
        """Keep what was read at block coordinates, int64 (n, 3) as x, y, z, for `labels_kept`."""
        state = self.state
        if state is not None and self.cache is not None and len(blocks) <= _CACHED_BLOCKS:
            self.cache.name(state, blocks, payloads)

    def read(self, coordinates: Iterable[Sequence[int]]) -> list[memoryview | None]:
        """Return the stored blocks at block coordinates (x, y, z), in their order; None where there is none."""
        return self.view.multi_get([block_key(self.scale, (x, y, z)) for x, y, z in coordinates])


def label_at(source: BlockSource, point: Triple, mapping: BodyMapping | None) -> int:
    """Return the label at a voxel (x, y, z); 0 where nothing was written.

    Raises:
        CorruptValue: the stored block is damaged.
    """
    scale = source.scale
    found = source.labels_kept(np.array((point,), np.int64))
    if found is None:
        (x, y, z), (width, height, depth) = point, source.block_size
        coordinate = x // width, y // height, z // depth
        payload = source.view.get(block_key(scale, coordinate))
        place = (x % width, y % height, z % depth)
        with stored_blocks(scale, [coordinate]):
            found = kernels.labels_at([payload], [0], [place], source.block_size, None, 1, source.cache)
        source.keep(np.array((coordinate,), np.int64), [payload])
    return int(found[0]) if mapping is None else mapping.map_one(int(found[0]))


def labels_at(source: BlockSource, points: NDArray[np.int64], mapping: BodyMapping | None) -> Labels:
    """Return the labels at voxels, uint64 (n,), in their order; each block is read once.

    Args:
        source: the stored blocks.
        points: int64 (n, 3) as x, y, z, within int32.
        mapping: see `body_mapping`.

    Raises:
        CorruptValue: a stored block is damaged.
    """
    blocks, owners, offsets = kernels.group_points(points, source.block_size)
    coordinates: list[Triple] = [(x, y, z) for x, y, z in blocks.tolist()]
    cache = source.cache if len(blocks) <= _CACHED_BLOCKS else None
    payloads = source.read(coordinates)
    with stored_blocks(source.scale, coordinates):
        found = kernels.labels_at(payloads, owners, offsets, source.block_size, None, THREADS, cache)
    source.keep(blocks, payloads)
    return found if mapping is None else mapping.map(found)


def labels_at_once(source: BlockSource, points: NDArray[np.int64], mapping: BodyMapping | None) -> Labels | None:
    """Return as `labels_at` if that takes well less than a millisecond: few voxels, of blocks that are kept."""
    if len(points) > _QUICK_POINTS or not (mapping is None or mapping.is_at_hand()):
        return None
    found = source.labels_kept(points)
    return found if found is None or mapping is None else mapping.map(found)

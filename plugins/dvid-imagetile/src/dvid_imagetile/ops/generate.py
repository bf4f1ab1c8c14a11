"""Making all tiles of a volume: a job that rests after every few slices and goes on there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dvid_framework.api import NONE, BadRequest, ImageVolume, Job, PixelType, Step, VersionRecord
from dvid_imagetile.codec import encode_tile_image
from dvid_imagetile.keys import TileAddress, encode_tile
from dvid_imagetile.ops.plan import Plan, PlaneWork, make_plan
from dvid_imagetile.ops.pyramid import Extent, Pyramid, TileRow

if TYPE_CHECKING:
    from dvid_imagetile.instance import ImageTileInstance

__all__ = ["generate_tiles", "plan_of"]

_STRIP_BYTES = 64 << 20
_MOST_ROW_BYTES = 1 << 30
_MOST_SLICES = 64
_UNIT_BYTES = 16 << 20
_Tile = tuple[bytes, bytes]


def plan_of(instance: ImageTileInstance, version: VersionRecord, arguments: Any) -> Plan:
    """Return what is to be made.

    Raises:
        BadRequest: there is no source, it is empty, or what is asked for makes no sense.
    """
    source = instance.source()
    plan, kind = make_plan(arguments, source.image_scales(version)[0]), source.pixel_type()
    if kind.channels not in (1, 4) or (kind.channels == 4 and kind.data_type != "uint8"):
        raise BadRequest(f"no tiles can be made of {kind.channels} channels of {kind.data_type}")
    for plane in plan.planes:
        if _row_bytes(plane, kind) > _MOST_ROW_BYTES:
            raise BadRequest(f"a row of {plane.dims.name} tiles has more than {_MOST_ROW_BYTES} bytes")
    return plan


def _row_bytes(plane: PlaneWork, kind: PixelType) -> int:
    width = plane.across.end - plane.across.first
    return width * max(level.down for level in plane.levels) * kind.channels * np.dtype(kind.data_type).itemsize


def generate_tiles(instance: ImageTileInstance, job: Job) -> Iterator[Step]:
    """Make all tiles, and then set the levels. The cursor is the plane and its next slice."""
    assert job.version is not None
    version, source = job.version, instance.source()
    plan, kind = plan_of(instance, version, job.arguments), source.pixel_type()
    number, following = job.cursor or (0, plan.planes[0].slices.first)
    done = sum(plane.slices.end - plane.slices.first for plane in plan.planes[:number])
    for index, plane in enumerate(plan.planes[number:], number):
        count = max(1, min(_MOST_SLICES, _STRIP_BYTES // max(_row_bytes(plane, kind), 1)))
        first = max(following, plane.slices.first) if index == number else plane.slices.first
        while first < plane.slices.end:
            # the same groups of slices, wherever it begins
            last = min(first - (first - plane.slices.first) % count + count, plane.slices.end)
            step = Step([index, last], done + last - plane.slices.first, plan.total)
            _write(instance, version, job, step, _tiles(source, version, plane, Extent(first, last), kind, instance))
            yield step
            first = last
        done += plane.slices.end - plane.slices.first
    instance.set_spec(plan.spec, job.user)
    yield Step([len(plan.planes), 0], plan.total, plan.total)


def _write(instance: ImageTileInstance, version: VersionRecord, job: Job, step: Step, tiles: Iterator[_Tile]) -> None:
    """Store tiles in units of bounded size; the place of the job is kept with the last of them."""
    waiting: list[_Tile] = []
    size = 0
    for tile in tiles:
        waiting.append(tile)
        size += len(tile[1])
        if size >= _UNIT_BYTES:
            _store(instance, version, job, waiting, None)
            waiting, size = [], 0
    _store(instance, version, job, waiting, step)


def _store(
    instance: ImageTileInstance, version: VersionRecord, job: Job, tiles: list[_Tile], step: Step | None
) -> None:
    with instance.begin(version, user=job.user, app=job.app, durable=False) as txn:
        for key, value in tiles:
            txn.put(key, value, NONE)
        txn.emit("generate", Tiles=len(tiles))
        txn.mark_internal()
        if step is not None:
            job.keep(txn, step)


def _tiles(
    source: ImageVolume,
    version: VersionRecord,
    plane: PlaneWork,
    slices: Extent,
    kind: PixelType,
    instance: ImageTileInstance,
) -> Iterator[_Tile]:
    """Yield key and value of the tiles of some slices, of all levels."""
    pyramid = Pyramid(plane.levels, plane.across, plane.down)
    height = plane.levels[0].down
    at = plane.down.first
    while at < plane.down.end:
        end = min((at // height + 1) * height, plane.down.end)
        for row in pyramid.add(_strip(source, version, plane, slices, Extent(at, end))):
            yield from _cut(row, plane, slices, kind, instance.settings.format)
        at = end


def _strip(source: ImageVolume, version: VersionRecord, plane: PlaneWork, slices: Extent, rows: Extent) -> NDArray[Any]:
    """Return rows of several slices: (rows, columns, slices), perhaps with channels behind."""
    first, size = [0, 0, 0], [1, 1, 1]
    for axis, extent in ((plane.dims.value[0], plane.across), (plane.dims.value[1], rows), (plane.axis, slices)):
        first[axis], size[axis] = extent.first, extent.end - extent.first
    box = source.read_box(version, 0, (first[0], first[1], first[2]), (size[0], size[1], size[2]))
    # of a box (z, y, x): its rows, columns and slices are these axes
    order = tuple(2 - axis for axis in (plane.dims.value[1], plane.dims.value[0], plane.axis))
    return box.transpose(*order, *range(3, box.ndim))


def _cut(row: TileRow, plane: PlaneWork, slices: Extent, kind: PixelType, form: str) -> Iterator[_Tile]:
    width = plane.levels[row.level].across
    across, down = plane.dims.value
    for number in range(row.pixels.shape[1] // width):
        tile = row.pixels[:, number * width : (number + 1) * width]
        for index in range(slices.end - slices.first):
            coordinate = [slices.first + index] * 3
            coordinate[across], coordinate[down] = row.first + number, row.row
            x, y, z = coordinate
            key = encode_tile(TileAddress(plane.dims, row.level, (x, y, z)))
            yield key, encode_tile_image(np.ascontiguousarray(tile[:, :, index]), kind, form)

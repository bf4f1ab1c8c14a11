"""One instance: what it shows of itself, its locks, and what others ask of it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from weakref import WeakValueDictionary

import msgspec
from dvid_voxels.description import describe_metadata, describe_volume
from dvid_voxels.extents import Extents, decode_extents, extents_at
from dvid_voxels.geometry import Box, Triple
from numpy.typing import NDArray

from dvid_framework.api import BadRequest, ImageScale, Instance, InstanceContext, PixelType, VersionRecord, View
from dvid_imageblk.codec import stored_form
from dvid_imageblk.keys import EXTENTS
from dvid_imageblk.model import VOXEL_TYPES, ImageSettings, VoxelType
from dvid_imageblk.ops.bounds import bad_input
from dvid_imageblk.ops.checking import damaged_blocks
from dvid_imageblk.ops.grid import GridRead
from dvid_imageblk.ops.stored_read import StoredRead
from dvid_imageblk.ops.volumes import VolumeRead, checked_box

__all__ = ["ImageInstance"]

_TURNS = 16


class ImageInstance(Instance):
    """A volume of voxels of one type.

    Attributes:
        settings: its settings.
        voxels: what a voxel holds.
        form: how blocks are stored.
    """

    settings: ImageSettings

    def __init__(self, context: InstanceContext) -> None:
        super().__init__(context)
        self.voxels = self.voxel_type()
        self.form = stored_form(context.record.compression)
        self._turns = tuple(threading.RLock() for _ in range(_TURNS))
        self._queues: WeakValueDictionary[int, asyncio.Lock] = WeakValueDictionary()

    def voxel_type(self) -> VoxelType:
        """Return what a voxel holds."""
        return VOXEL_TYPES[self.record.type_name]

    def turn(self, version: int) -> threading.RLock:
        """Return the lock that orders the writes of voxels at a version, by its id; reads take none."""
        return self._turns[version % _TURNS]

    def queue(self, version: int) -> asyncio.Lock:
        """Return where writers of a version wait before they take a thread, so that reads always find one."""
        return self._queues.setdefault(version, asyncio.Lock())

    def reading(self, view: View, scale: int = 0) -> VolumeRead:
        """Return how voxels are read: of a view, or of the store of voxels that the instance shows."""
        settings = self.settings
        if not settings.grid_store:
            return self.stored(view, scale)
        grid = self.instances.grid(settings.grid_store)
        return GridRead(
            settings.block_size,
            self.voxels,
            settings.background,
            grid=grid,
            level=settings.scale_level,
            form=self.form,
        )

    def stored(self, view: View, scale: int = 0) -> StoredRead:
        """Return how the instance's own voxels are read of a view."""
        settings = self.settings
        return StoredRead(
            settings.block_size,
            self.voxels,
            settings.background,
            scale,
            view=view,
            form=self.form,
            cache=self.instances.cache,
            instance=self.record.id,
        )

    def check_writable(self) -> None:
        """Check that voxels can be written.

        Raises:
            BadRequest: the instance shows those of somebody else.
        """
        if self.settings.grid_store:
            raise BadRequest(f"{self.name!r} shows the grid store {self.settings.grid_store!r}, which is only read")

    # -- extents

    def own_extents(self, version: int) -> Extents | None:
        """Return what a version has of its own, by its id."""
        value = self.own_values(EXTENTS).get(version)
        return None if value is None else decode_extents(value)

    def extents(self, version: VersionRecord) -> tuple[Triple | None, Triple | None]:
        """Return the first and the last voxel of a version's extents; those of the settings before any are known."""
        found = extents_at(self.number_of(version), self.own_values(EXTENTS), self.repo.dag.parents)
        if found is None:
            return self.settings.min_point, self.settings.max_point
        return found.min_point, found.max_point

    # -- what it shows

    def properties(self, version: VersionRecord) -> dict[str, Any]:
        """Return what `metadata` shows under `Properties`."""
        settings = self.settings
        shown = {
            "Values": self.voxels.values,
            "Interpolable": True,
            **describe_volume(settings, *self.extents(version)),
        }
        if settings.max_downres_level:
            shown["MaxDownresLevel"] = settings.max_downres_level
        return shown

    def extended(self, version: VersionRecord) -> Mapping[str, Any]:
        """Return what `info` shows under `Extended` at a version."""
        return self.properties(version)

    def info(self, version: VersionRecord) -> dict[str, Any]:
        """Return what `GET info` answers."""
        low, high = self.extents(version)
        shown = {**super().info(version), "Extents": {"MinPoint": low, "MaxPoint": high}}
        if self.form.codec == "jpeg":
            shown["Base"]["Compression"] = f"jpeg compression, level {self.settings.block_size[0]}"
        return shown

    def metadata(self, version: VersionRecord) -> dict[str, Any]:
        """Return what `GET metadata` answers: resolution, units, size and offset of each axis, and properties."""
        return describe_metadata(self.settings, self.properties(version), *self.extents(version))

    # -- settings

    def change(self, user: str, **changes: Any) -> None:
        """Change single settings, for all versions."""
        with self.lock:
            self.save_settings(msgspec.structs.replace(self.settings, **changes), user)

    # -- what others ask

    def pixel_type(self) -> PixelType:
        """Return what a voxel holds."""
        return PixelType(self.voxels.data_type, self.voxels.channels, self.settings.background)

    def image_scales(self, version: VersionRecord) -> Sequence[ImageScale]:
        """Return the resolutions at a version, the finest first."""
        settings, (low, high) = self.settings, self.extents(version)
        scales = []
        for scale in range(settings.max_downres_level + 1):
            extents = None if low is None or high is None else (_halved(low, scale), _halved(high, scale))
            x, y, z = (side * 2**scale for side in settings.voxel_size)
            scales.append(ImageScale(extents, (x, y, z), settings.voxel_units, settings.block_size))
        return scales

    def read_box(self, version: VersionRecord, scale: int, first: Triple, size: Triple) -> NDArray[Any]:
        """Return the voxels of a box, (z, y, x) or (z, y, x, channel).

        Raises:
            BadRequest: there is no such scale, or the box is too large.
        """
        if not 0 <= scale <= self.settings.max_downres_level:
            raise BadRequest(f"the instance {self.name!r} has scales 0 to {self.settings.max_downres_level}")
        with bad_input():
            box = Box(first, size)
        checked_box(box, self.settings.block_size, self.voxels.bytes)
        with self.view(version) as view:
            return self.reading(view, scale).read(box)

    def check(self, version: VersionRecord) -> Iterable[str]:
        """Yield a sentence for each block of a version that is damaged, and each low one that the high ones belie."""
        with self.view(version) as view:
            yield from damaged_blocks(self.stored(view), self.settings.max_downres_level)


def _halved(point: Triple, scale: int) -> Triple:
    x, y, z = (n >> scale for n in point)
    return x, y, z

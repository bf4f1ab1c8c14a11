"""Volumes of several channels, each a volume of its own on the same grid."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import msgspec
import numpy as np
from dvid_voxels.geometry import Box, Triple
from numpy.typing import NDArray

from dvid_framework.api import BadRequest, ImageScale, Instance, PixelType, VersionRecord, View
from dvid_imageblk.instance import ImageInstance
from dvid_imageblk.keys import CHANNELS
from dvid_imageblk.model import Channels, VoxelType
from dvid_imageblk.ops.bounds import bad_input
from dvid_imageblk.ops.checking import damaged_blocks
from dvid_imageblk.ops.stored_read import StoredRead
from dvid_imageblk.ops.volumes import checked_box

__all__ = ["MultichanInstance"]

_decode = msgspec.msgpack.Decoder(Channels).decode


class MultichanInstance(ImageInstance):
    """A volume of several channels of one type; blocks of channel N are kept as those of scale N of an image."""

    def voxel_type(self) -> VoxelType:
        """Return what a voxel of one channel holds until a stack tells."""
        return VoxelType(Channels().data_type, ("channel0",))

    def channels(self, view: View) -> Channels:
        """Return what the channels of a version are."""
        value = view.get(CHANNELS)
        return Channels() if value is None else _decode(value)

    def known_channels(self) -> Channels:
        """Return what the channels are in all versions that have any."""
        return next((_decode(value) for value in self.own_values(CHANNELS).values()), Channels())

    def channel(self, view: View, number: int) -> StoredRead:
        """Return how the voxels of a channel are read of a view.

        Raises:
            BadRequest: there is no such channel, or no data yet.
        """
        channels = self.channels(view)
        if not channels.count:
            raise BadRequest(f"{self.name!r} has no data here: POST load a V3D raw stack")
        if not 0 <= number < channels.count:
            raise BadRequest(f"{self.name!r} has channels 0 to {channels.count - 1}")
        return replace(self.stored(view, number), voxels=VoxelType(channels.data_type, ("channel0",)))

    # -- what it shows

    def extended(self, version: VersionRecord) -> Mapping[str, Any]:
        """Return what `info` shows under `Extended` at a version: no values before there are any."""
        return self.properties(version)

    def properties(self, version: VersionRecord) -> dict[str, Any]:
        """Return what `metadata` shows under `Properties`."""
        with self.view(version) as view:
            channels = self.channels(view)
        return {**super().properties(version), "Values": channels.values, "NumChannels": channels.count}

    def info(self, version: VersionRecord) -> dict[str, Any]:
        """Return what `GET info` answers."""
        return Instance.info(self, version)

    # -- what others ask

    def pixel_type(self) -> PixelType:
        """Return what a voxel holds: a value of each channel."""
        channels = self.known_channels()
        return PixelType(channels.data_type, max(1, channels.count), self.settings.background)

    def image_scales(self, version: VersionRecord) -> Sequence[ImageScale]:
        """Return the one resolution that there is."""
        return super().image_scales(version)[:1]

    def read_box(self, version: VersionRecord, scale: int, first: Triple, size: Triple) -> NDArray[Any]:
        """Return the voxels of a box, (z, y, x, channel), or (z, y, x) where there is one channel.

        Raises:
            BadRequest: there is no such scale, no data yet, or the box is too large.
        """
        if scale:
            raise BadRequest(f"the instance {self.name!r} has one scale")
        with bad_input():
            box = Box(first, size)
        with self.view(version) as view:
            count = max(1, self.channels(view).count)
            reads = [self.channel(view, number) for number in range(count)]
            checked_box(box, self.settings.block_size, count * reads[0].voxels.bytes)
            voxels = [read.read(box) for read in reads]
        return voxels[0] if count == 1 else np.stack(voxels, axis=-1)

    def check(self, version: VersionRecord) -> Iterable[str]:
        """Yield a sentence for each block of a version that is damaged."""
        with self.view(version) as view:
            if self.channels(view).count:
                yield from damaged_blocks(self.channel(view, 0), 0)

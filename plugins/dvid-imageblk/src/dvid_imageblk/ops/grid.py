"""Volumes that somebody else keeps: the same reads, of a store of voxels that the configuration names."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

import msgspec
import numpy as np
from dvid_voxels.block_codec import Buffer, decode_block
from dvid_voxels.geometry import Box, Triple
from numpy.typing import NDArray

from dvid_framework.api import BadRequest, GridVolume
from dvid_imageblk.codec import StoredForm
from dvid_imageblk.model import ImageSettings, VoxelType
from dvid_imageblk.ops.bounds import stored_blocks
from dvid_imageblk.ops.stored import places_of
from dvid_imageblk.ops.volumes import Batch, VolumeRead, per_voxel

__all__ = ["GridRead", "fitted_settings"]

_FETCHES = 10  # at the same time, for one request


def fitted_settings(settings: ImageSettings, grid: GridVolume, voxels: VoxelType) -> ImageSettings:
    """Return the settings of an instance that shows a scale of a store: block size, resolution and extents of it.

    Raises:
        BadRequest: there is no such scale, or its voxels are of another type.
    """
    level = settings.scale_level
    if level >= len(grid.scales):
        raise BadRequest(f"ScaleLevel {level}: the grid store {settings.grid_store!r} has {len(grid.scales)} scales")
    if (grid.data_type, grid.channels) != (voxels.data_type, voxels.channels):
        raise BadRequest(
            f"the grid store {settings.grid_store!r} holds {grid.data_type} in {grid.channels} channels, "
            f"and not {voxels.data_type} in {voxels.channels}"
        )
    if settings.max_downres_level:
        raise BadRequest("MaxDownresLevel must be 0 with a GridStore: each of its scales is an instance")
    scale = grid.scales[level]
    return msgspec.structs.replace(
        settings,
        block_size=scale.chunk_size,
        voxel_size=scale.resolution,
        min_point=scale.offset,
        max_point=scale.last,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class GridRead(VolumeRead):
    """A read of voxels of a store.

    Attributes:
        grid: the store's volume.
        level: which of its scales.
        form: in which form its blocks are sent.
    """

    grid: GridVolume
    level: int
    form: StoredForm

    def read(self, box: Box) -> NDArray[Any]:
        raw = self.grid.read_box(self.level, box.offset, box.size)
        out = np.frombuffer(raw, self.voxels.data_type).reshape(*box.shape, *self.behind)
        if self.inside is None:
            return out
        outside = ~per_voxel(self.inside(box.blocks(self.block_size)), box, self.block_size)
        out = out.copy()
        if self.attenuation:
            out[outside] >>= self.attenuation
        else:
            out[outside] = np.full(out.itemsize, self.background, np.uint8).view(out.dtype)[0]
        return out

    def read_blocks(self, coordinates: NDArray[np.int64]) -> NDArray[Any]:
        places: list[Triple] = [(x, y, z) for x, y, z in coordinates.tolist()]
        x, y, z = self.block_size
        out = np.zeros((len(places), z, y, x, *self.behind), self.voxels.data_type)
        for row, block in enumerate(self._fetched(places, raw=True)):
            if block is not None:
                out[row] = np.frombuffer(block, self.voxels.data_type).reshape(out.shape[1:])
        return out

    def batches(self, where: Box | Sequence[Triple], *, raw: bool) -> Iterator[Batch]:
        places = places_of(where) if isinstance(where, Box) else list(where)
        for at in range(0, len(places), _FETCHES):
            part = places[at : at + _FETCHES]
            found = [(place, body) for place, body in zip(part, self._fetched(part, raw), strict=True) if body]
            if found:
                yield [place for place, _ in found], [body for _, body in found]

    def count(self, blocks: Box) -> int | None:
        del blocks
        return None

    def _fetched(self, places: Sequence[Triple], raw: bool) -> list[Buffer | None]:
        with ThreadPoolExecutor(_FETCHES) as pool:
            return list(pool.map(partial(self._one, raw=raw), places))

    def _one(self, place: Triple, raw: bool) -> Buffer | None:
        as_kept = not raw and self.form.codec == "jpeg"
        block = self.grid.read_block(self.level, place, jpeg=as_kept)
        if block is None or (block.jpeg and as_kept):
            return None if block is None else block.data
        voxels: Buffer = block.data
        if block.jpeg:
            with stored_blocks(self.level, [place]):
                voxels = decode_block(block.data, "jpeg", self.block_bytes)
        return voxels if raw else self.form.sent(voxels, self.block_size[0])

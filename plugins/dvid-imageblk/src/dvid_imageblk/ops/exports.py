"""The volume of a version as neuroglancer's precomputed and as OME-Zarr."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dvid_voxels.block_codec import Buffer
from dvid_voxels.geometry import Box
from dvid_voxels.images import MOST_JPEG_SIDE
from dvid_voxels.multiscale import Chunk, Multiscale, chunk_of_blocks, nanometers, planar_bytes
from dvid_voxels.ome_zarr import OmeZarr, fill_value
from dvid_voxels.precomputed import Precomputed, jpeg_chunk

from dvid_framework.api import NotFound, VersionRecord
from dvid_imageblk.ops.volumes import VolumeRead

if TYPE_CHECKING:
    from dvid_imageblk.instance import ImageInstance

__all__ = ["as_ome_zarr", "as_precomputed", "precomputed_chunk", "zarr_chunk"]

_QUALITY = 90  # of chunks that are not one stored block


def _volume(instance: ImageInstance, version: VersionRecord) -> Multiscale:
    settings, voxels, (low, high) = instance.settings, instance.voxels, instance.extents(version)
    if low is None or high is None:
        raise NotFound("there is nothing at this version yet: it has no extents")
    return Multiscale(
        box=Box.between(low, high),
        scales=1 if settings.grid_store else settings.max_downres_level + 1,
        # A stored JPEG is a chunk as it is.
        chunk_size=settings.block_size if _is_jpeg(instance) else chunk_of_blocks(settings.block_size),
        voxel_size=nanometers(settings.voxel_size, settings.voxel_units),
        dtype=voxels.data_type,
        channels=voxels.channels,
    )


def _is_jpeg(instance: ImageInstance) -> bool:
    """Tell whether chunks are JPEGs: where blocks are gray ones."""
    (x, y, z), voxels = instance.settings.block_size, instance.voxels
    gray = voxels.bytes == 1 and instance.form.codec == "jpeg" and not instance.settings.grid_store
    return gray and max(x, y * z) <= MOST_JPEG_SIDE


def as_precomputed(instance: ImageInstance, version: VersionRecord) -> Precomputed:
    """Return the precomputed volume of a version.

    Raises:
        NotFound: it has no extents.
    """
    return Precomputed(_volume(instance, version), "image", "jpeg" if _is_jpeg(instance) else "raw")


def as_ome_zarr(instance: ImageInstance, version: VersionRecord) -> OmeZarr:
    """Return the Zarr group of a version.

    Raises:
        NotFound: it has no extents.
    """
    volume = _volume(instance, version)
    return OmeZarr(volume, instance.name, fill=fill_value(instance.settings.background, volume.dtype))


def precomputed_chunk(read: VolumeRead, files: Precomputed, chunk: Chunk) -> Buffer:
    """Return a chunk of a precomputed volume; of background where nothing was written.

    Raises:
        CorruptValue: a stored block is damaged.
    """
    if files.encoding != "jpeg":
        return planar_bytes(read.read(chunk.box))
    if chunk.box.size == read.block_size:
        for _, payloads in read.batches(chunk.box.blocks(read.block_size), raw=False):
            return payloads[0]
    voxels: Any = read.read(chunk.box)
    return jpeg_chunk(voxels, _QUALITY)


def zarr_chunk(read: VolumeRead, chunk: Chunk) -> Buffer | None:
    """Return a chunk as the codec bytes says; None if no block of it is stored.

    Raises:
        CorruptValue: a stored block is damaged.
    """
    if read.count(chunk.box.blocks(read.block_size)) == 0:
        return None
    return planar_bytes(read.read(chunk.box))

"""The volume of a version as neuroglancer's precomputed and as OME-Zarr."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

from dvid_labels import kernels
from dvid_labels.types import Buffer
from dvid_voxels.geometry import Box
from dvid_voxels.multiscale import Chunk, Multiscale, chunk_of_blocks, nanometers
from dvid_voxels.ome_zarr import OmeZarr
from dvid_voxels.precomputed import Precomputed

from dvid_framework.api import NotFound, VersionRecord
from dvid_labelmap.ops.volumes import VolumeRead

if TYPE_CHECKING:
    from dvid_labelmap.instance import LabelMapInstance

__all__ = ["as_ome_zarr", "as_precomputed", "precomputed_chunk", "zarr_chunk"]


def _volume(instance: LabelMapInstance, version: VersionRecord) -> Multiscale:
    settings, (low, high) = instance.settings, instance.extents(version)
    if low is None or high is None:
        raise NotFound("there is nothing at this version yet: it has no extents")
    return Multiscale(
        box=Box.between(low, high),
        scales=settings.max_downres_level + 1,
        chunk_size=chunk_of_blocks(settings.block_size),
        voxel_size=nanometers(settings.voxel_size, settings.voxel_units),
        dtype="uint64",
    )


def as_precomputed(instance: LabelMapInstance, version: VersionRecord) -> Precomputed:
    """Return the precomputed volume of a version.

    Raises:
        NotFound: it has no extents.
    """
    return Precomputed(_volume(instance, version), "segmentation", "compressed_segmentation")


def as_ome_zarr(instance: LabelMapInstance, version: VersionRecord) -> OmeZarr:
    """Return the Zarr group of a version.

    Raises:
        NotFound: it has no extents.
    """
    return OmeZarr(_volume(instance, version), instance.name, gzip=True)


def precomputed_chunk(read: VolumeRead, files: Precomputed, chunk: Chunk) -> Buffer:
    """Return a chunk in compressed_segmentation; of zeros where nothing was written.

    Raises:
        CorruptValue: a stored block is damaged.
        LabelFormatError: the format can't express it.
    """
    return kernels.encode_segmentation(read.read(files.padded(chunk)))


def zarr_chunk(read: VolumeRead, chunk: Chunk) -> Buffer | None:
    """Return a chunk as the codecs say, bytes and gzip; None if no block of it is stored.

    Raises:
        CorruptValue: a stored block is damaged.
    """
    labels = read.read_if_stored(chunk.box)
    # By zlib: isal's output need not be the same each time, and an entity tag stands for these bytes.
    return None if labels is None else zlib.compress(labels.data.cast("B"), 1, wbits=31)

"""What is asked of the service for a slice or a subvolume, and what is answered at and behind the border."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import lz4.block
from dvid_voxels.geometry import Box, Triple
from dvid_voxels.shapes import Dims, Shape

from dvid_framework.api import BadGateway, BadRequest, NotFound
from dvid_googlevoxels.codec import BYTES_PER_VOXEL, ImageFormat, blank_image, image_body, padded_image, voxels_body
from dvid_googlevoxels.instance import GoogleVoxelsInstance
from dvid_googlevoxels.model import Geometry

__all__ = [
    "Subvolume",
    "Tile",
    "compressed_voxels",
    "find_scale",
    "read_tile",
    "stream_voxels",
    "whole_image",
    "whole_subvolume",
]

_MOST_PIXELS = 1 << 26
_MOST_BYTES = 3 << 30
_MOST_COMPRESSED = 1 << 30
_SLACK = 1 << 20  # what an image file may have beside its pixels


@dataclass(frozen=True, slots=True)
class Tile:
    """A slice that is asked for.

    Attributes:
        shape: the plane and its voxels at the scaling.
        scaling: how often resolution is halved.
        image: the format.
        blanks: whether what lies outside the volume is answered with a blank image, and not with 404.

    Raises:
        BadRequest: it is too large.
    """

    shape: Shape
    scaling: int
    image: ImageFormat
    blanks: bool = True

    def __post_init__(self) -> None:
        if self.shape.box.voxels > _MOST_PIXELS:
            raise BadRequest(f"an image has at most {_MOST_PIXELS} pixels")


@dataclass(frozen=True, slots=True)
class Subvolume:
    """A box of voxels that the service can be asked for.

    Attributes:
        scale: index of the geometry.
        box: the voxels.
        length: bytes of the voxels.
    """

    scale: int
    box: Box
    length: int


def find_scale(instance: GoogleVoxelsInstance, dims: Dims, scaling: int) -> int:
    """Return the index of the geometry for a plane or a volume at a scaling.

    Raises:
        BadRequest: there is none, or its values are of a kind that can't be read.
    """
    plane = "XYZ" if dims is Dims.VOLUME else dims.name
    index = instance.scales.get(f"{plane}:{scaling}", instance.scales.get(f"XYZ:{scaling}"))
    if index is None:
        raise BadRequest(f"Could not find scaled volume {plane}:{scaling}; there are {', '.join(instance.scales)}")
    kind = instance.geometry(index).kind
    if kind not in BYTES_PER_VOXEL:
        raise BadRequest(f"values of the kind {kind[:20]!r} can't be read, only {', '.join(BYTES_PER_VOXEL)}")
    return index


def _within(box: Box, geometry: Geometry) -> Triple | None:
    """Return the size of what of a box lies before the end of the volume; None if it begins behind it."""
    x, y, z = (most - first for first, most in zip(box.offset, geometry.size, strict=True))
    if min(x, y, z) <= 0:
        return None
    return min(x, box.size[0]), min(y, box.size[1]), min(z, box.size[2])


def _in_plane(size: Triple, dims: Dims) -> tuple[int, int]:
    across, along = dims.value[0], dims.value[1]
    return size[across], size[along]


def read_tile(instance: GoogleVoxelsInstance, tile: Tile) -> bytes:
    """Return a slice as an image.

    Raises:
        BadRequest: there is no such scale, or the service refuses.
        NotFound: it lies outside the volume, and no blanks are wanted.
        BadGateway: the service fails.
    """
    box, dims = tile.shape.box, tile.shape.dims
    index = find_scale(instance, dims, tile.scaling)
    geometry, wanted = instance.geometry(index), _in_plane(box.size, dims)
    size = _within(box, geometry)
    if size is None:
        if not tile.blanks:
            raise NotFound("404 page not found")
        return blank_image(*wanted, geometry.kind, tile.image)
    most = box.voxels * BYTES_PER_VOXEL[geometry.kind] * geometry.channels + _SLACK
    service, volume = instance.service, instance.settings.volume_id
    if size == box.size:
        return service.image(volume, image_body(box.offset, size, index, tile.image), most)
    if geometry.kind == "UINT64":
        body = service.voxels(volume, voxels_body(box.offset, size, index), most)
    else:
        body = service.image(volume, image_body(box.offset, size, index, tile.image), most)
    return padded_image(body, _in_plane(size, dims), wanted, geometry.kind, tile.image)


def whole_subvolume(instance: GoogleVoxelsInstance, box: Box, scaling: int) -> Subvolume | None:
    """Return a box as it can be asked for, or None if it begins outside the volume.

    Raises:
        BadRequest: the border cuts it, it is too large, or there is no such scale.
    """
    index = find_scale(instance, Dims.VOLUME, scaling)
    geometry = instance.geometry(index)
    size = _within(box, geometry)
    if size is None:
        return None
    if size != box.size:
        raise BadRequest(f"the box reaches beyond the volume of {geometry.size} voxels; 3d reads do not pad")
    length = box.voxels * BYTES_PER_VOXEL[geometry.kind] * geometry.channels
    if length > _MOST_BYTES:
        raise BadRequest(f"{length} bytes are more than the {_MOST_BYTES} that one request may ask for")
    return Subvolume(index, box, length)


def stream_voxels(instance: GoogleVoxelsInstance, asked: Subvolume) -> Iterator[bytes]:
    """Yield the voxels of a box piece by piece, as the service gives them: x fastest, then y, z."""
    body = voxels_body(asked.box.offset, asked.box.size, asked.scale)
    return instance.service.voxel_pieces(instance.settings.volume_id, body, asked.length)


def compressed_voxels(instance: GoogleVoxelsInstance, asked: Subvolume) -> bytes:
    """Return the voxels of a box as one LZ4 block, without its size before it.

    Raises:
        BadRequest: they are too many.
        BadGateway: the service fails.
    """
    if asked.length > _MOST_COMPRESSED:
        raise BadRequest(f"at most {_MOST_COMPRESSED} bytes are compressed in one piece; ask in parts, or uncompressed")
    body = voxels_body(asked.box.offset, asked.box.size, asked.scale)
    voxels = instance.service.voxels(instance.settings.volume_id, body, asked.length)
    if len(voxels) != asked.length:
        raise BadGateway(f"the service answers with {len(voxels)} bytes instead of {asked.length}")
    packed: bytes = lz4.block.compress(voxels, store_size=False)
    return packed


def whole_image(instance: GoogleVoxelsInstance, asked: Subvolume, image: ImageFormat) -> bytes:
    """Return the voxels of a box as the service's single image of them."""
    body = voxels_body(asked.box.offset, asked.box.size, asked.scale, image)
    return instance.service.voxels(instance.settings.volume_id, body, asked.length + _SLACK)

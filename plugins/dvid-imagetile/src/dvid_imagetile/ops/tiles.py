"""Single tiles, as they are stored."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dvid_voxels.geometry import GeometryError
from dvid_voxels.images import parse_format

from dvid_framework.api import NONE, BadRequest, NotFound, Txn, View
from dvid_imagetile.codec import CONTENT_TYPES, blank_image, lz4_as_png
from dvid_imagetile.keys import TileAddress, encode_tile

if TYPE_CHECKING:
    from dvid_imagetile.instance import ImageTileInstance

__all__ = ["put_tile", "read_tile"]


def put_tile(txn: Txn, address: TileAddress, tile: bytes) -> None:
    """Store a tile as it is."""
    txn.put(encode_tile(address), tile, NONE)
    txn.emit("tile", Scale=address.scale)
    txn.mark_internal()


def read_tile(
    instance: ImageTileInstance, view: View, address: TileAddress, image: str, blanks: bool
) -> tuple[bytes, str]:
    """Return a tile and its content type: as it is stored, or blank where there is none.

    Args:
        instance: the tiles.
        view: their state at a version.
        address: which one.
        image: the format of a blank one.
        blanks: whether a blank one is wanted.

    Raises:
        BadRequest: the levels are not set or lack this one, it is no plane's, or a stored tile is malformed.
        NotFound: there is none, and no blank one is wanted.
    """
    levels, form = instance.spec.levels, instance.settings.format
    stored = view.get(encode_tile(address))
    if stored:
        tile = bytes(stored)
        return (lz4_as_png(tile) if form == "lz4" else tile), CONTENT_TYPES[form]
    if not address.dims.is_plane:
        raise BadRequest("a tile is of a plane: xy, xz or yz")
    if not blanks:
        raise NotFound("404 page not found")
    if address.scale >= len(levels):
        raise BadRequest(f"there is no level {address.scale}: metadata has levels 0 to {len(levels) - 1}")
    side = levels[address.scale].tile_size
    across, down = address.dims.value
    try:
        return blank_image(side[across], side[down], parse_format(image))
    except GeometryError as error:
        raise BadRequest(str(error)) from error

"""Single tiles, as they are stored."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dvid_voxels.geometry import GeometryError
from dvid_voxels.images import parse_format

from dvid_framework.api import NONE, BadRequest, NotFound, Txn, View, refusing
from dvid_imagetile.codec import CONTENT_TYPES, blank_image, lz4_as_png
from dvid_imagetile.keys import TileAddress, encode_tile

if TYPE_CHECKING:
    from dvid_imagetile.instance import ImageTileInstance

__all__ = ["put_tile", "shown_tile", "stored_tile"]


def put_tile(txn: Txn, address: TileAddress, tile: bytes) -> None:
    """Store a tile as it is."""
    txn.put(encode_tile(address), tile, NONE)
    txn.emit("tile", Scale=address.scale)
    txn.mark_internal()


def stored_tile(instance: ImageTileInstance, view: View, address: TileAddress) -> memoryview | None:
    """Return a tile as it is stored; None where there is none, or an empty one, which counts as none.

    Raises:
        BadRequest: the levels are not set.
    """
    assert instance.spec.levels
    return view.get(encode_tile(address)) or None


def shown_tile(
    instance: ImageTileInstance, stored: memoryview | None, address: TileAddress, image: str, blanks: bool
) -> tuple[bytes | memoryview, str]:
    """Return a tile as it is answered, and its content type: blank where there is none.

    Args:
        instance: the tiles.
        stored: what `stored_tile` gave.
        address: which one.
        image: the format of a blank one.
        blanks: whether a blank one is wanted.

    Raises:
        BadRequest: the levels are not set or lack this one, it is no plane's, or a stored tile is malformed.
        NotFound: there is none, and no blank one is wanted.
    """
    levels, form = instance.spec.levels, instance.settings.format
    if stored:
        return (lz4_as_png(bytes(stored)) if form == "lz4" else stored), CONTENT_TYPES[form]
    if not address.dims.is_plane:
        raise BadRequest("a tile is of a plane: xy, xz or yz")
    if not blanks:
        raise NotFound("404 page not found")
    if address.scale >= len(levels):
        raise BadRequest(f"there is no level {address.scale}: metadata has levels 0 to {len(levels) - 1}")
    side = levels[address.scale].tile_size
    across, down = address.dims.value
    with refusing(GeometryError):
        return blank_image(side[across], side[down], parse_format(image))

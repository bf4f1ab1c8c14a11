"""What the plugin gives to the framework."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from dvid_framework.api import BadRequest, Datatype, hookimpl
from dvid_imagetile.instance import ImageTileInstance
from dvid_imagetile.model import ImageTileSettings, new_settings
from dvid_imagetile.routes import ROUTES

__all__ = ["ImageTile", "dvid_datatypes"]


class ImageTile(Datatype):
    """Tiles of images: planes xy, xz and yz at several scales, posted by clients or made from a volume by `generate`.

    A tile is answered as it was stored. Settings of a new instance: Format (png, the default, jpg or lz4: what a stored
    tile is), Source (the instance that has the volume; needed by raw, isotropic and generate), Placeholder (false;
    whether missing tiles are painted with a text in stitched images). Compression follows from Format.
    """

    name = "imagetile"
    url = "github.com/janelia-flyem/dvid/datatype/imagetile"
    version = "0.1"
    instance = ImageTileInstance
    settings = ImageTileSettings
    routes = ROUTES
    default_compression = "none"

    @classmethod
    def parse_settings(cls, config: Mapping[str, Any]) -> ImageTileSettings:
        """Make the settings of a new instance.

        Raises:
            BadRequest: a value is not allowed.
        """
        return new_settings(config)

    @classmethod
    def choose_compression(cls, settings: msgspec.Struct, wanted: str | None) -> str:
        """Return the compression that the format has.

        Raises:
            BadRequest: another one is wanted.
        """
        assert isinstance(settings, ImageTileSettings)
        own = "lz4" if settings.format == "lz4" else "none"
        if wanted not in (None, own):
            raise BadRequest(f"tiles of the format {settings.format} have Compression {own}, and not {wanted}")
        return own


@hookimpl
def dvid_datatypes() -> list[type[Datatype]]:
    """Contribute the datatype."""
    return [ImageTile]

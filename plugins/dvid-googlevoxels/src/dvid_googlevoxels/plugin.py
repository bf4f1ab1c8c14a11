"""What the plugin gives to the framework."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from dvid_framework.api import BadRequest, Datatype, Instances, hookimpl
from dvid_googlevoxels.codec import parse_volume
from dvid_googlevoxels.instance import GoogleVoxelsInstance
from dvid_googlevoxels.model import GoogleVoxelsSettings
from dvid_googlevoxels.routes import ROUTES

__all__ = ["GoogleVoxels", "dvid_datatypes"]

_LARGEST_TILE = 8192


class GoogleVoxels(Datatype):
    """Volumes of Google BrainMaps by proxy: slices and subvolumes are asked of the service, and nothing is kept.

    Settings of a new instance: volumeid, such as `281930192:stanford`; jwtfile, a file on the server with the key of a
    service account; tilesize (512), the pixels along each side of a tile. Both of the first are needed. The service is
    asked for the volume's resolutions once, when the instance is made.
    """

    name = "googlevoxels"
    url = "github.com/janelia-flyem/dvid/datatype/googlevoxels"
    version = "0.1"
    instance = GoogleVoxelsInstance
    settings = GoogleVoxelsSettings
    routes = ROUTES

    @classmethod
    def parse_settings(cls, config: Mapping[str, Any]) -> GoogleVoxelsSettings:
        """Make the settings of a new instance.

        Raises:
            BadRequest: one is missing or malformed.
        """
        texts = {}
        for key in ("volumeid", "jwtfile"):
            value = config.get(key)
            if not isinstance(value, str) or not value.strip():
                raise BadRequest(f"setting {key!r} is needed, a text")
            texts[key] = value.strip()
        side = str(config.get("tilesize", "512")).strip()
        if not (side.isascii() and side.isdigit() and len(side) <= 5 and 1 <= int(side) <= _LARGEST_TILE):
            raise BadRequest(f"setting 'tilesize' must be a number from 1 to {_LARGEST_TILE}")
        if "/" in texts["volumeid"] or not texts["volumeid"].isprintable():
            raise BadRequest("setting 'volumeid' must be the service's id of a volume, without a slash")
        return GoogleVoxelsSettings(texts["volumeid"], texts["jwtfile"], int(side))

    @classmethod
    def complete_settings(cls, settings: msgspec.Struct, instances: Instances) -> GoogleVoxelsSettings:
        """Ask the service for the volume.

        Raises:
            BadRequest: the key is none, or the service refuses.
            BadGateway: the service fails.
        """
        from dvid_googlevoxels.service import BrainMaps  # noqa: PLC0415 - as for instances

        assert isinstance(settings, GoogleVoxelsSettings)
        service = BrainMaps(settings.jwt_file, instances.options("googlevoxels"))
        try:
            geometries = parse_volume(service.volume(settings.volume_id))
        finally:
            service.close()
        return msgspec.structs.replace(settings, geometries=geometries)


@hookimpl
def dvid_datatypes() -> list[type[Datatype]]:
    """Contribute the datatype."""
    return [GoogleVoxels]

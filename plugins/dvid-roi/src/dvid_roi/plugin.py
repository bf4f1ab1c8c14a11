"""What the plugin gives to the framework."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dvid_voxels.geometry import GeometryError, parse_triple

from dvid_framework.api import BadRequest, BlockMask, Datatype, hookimpl
from dvid_roi.instance import RoiInstance
from dvid_roi.model import RoiSettings
from dvid_roi.routes import ROUTES

__all__ = ["Roi", "dvid_datatypes"]

_LARGEST_BLOCK = 1 << 20


class Roi(Datatype):
    """Regions of interest: sets of blocks, kept as runs along x, at every version their own.

    Setting BlockSize: voxels of a block along x, y, z, such as `32,32,32` (the default). Coordinates of runs are those
    of blocks; a block holds the voxels from block * BlockSize on. Other datatypes use an ROI by `roi=NAME`.
    """

    name = "roi"
    url = "github.com/janelia-flyem/dvid/datatype/roi"
    version = "0.1"
    instance = RoiInstance
    settings = RoiSettings
    routes = ROUTES
    provides = (BlockMask,)

    @classmethod
    def parse_settings(cls, config: Mapping[str, Any]) -> RoiSettings:
        """Make the settings of a new instance from its BlockSize.

        Raises:
            BadRequest: it is not three sizes.
        """
        text = config.get("blocksize")
        if text is None:
            return RoiSettings()
        try:
            size = parse_triple(str(text).replace(" ", ""), ",")
        except GeometryError as error:
            raise BadRequest(f"BlockSize: {error}") from error
        if not all(1 <= side <= _LARGEST_BLOCK for side in size):
            raise BadRequest(f"BlockSize must be three numbers from 1 to {_LARGEST_BLOCK} and not {text!r}")
        return RoiSettings(size)


@hookimpl
def dvid_datatypes() -> list[type[Datatype]]:
    """Contribute the datatype."""
    return [Roi]

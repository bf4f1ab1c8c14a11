"""What the plugin gives to the framework."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dvid_framework.api import ANY_TYPE, Datatype, hookimpl
from dvid_tarsupervoxels.instance import TarInstance
from dvid_tarsupervoxels.keys import checked_extension
from dvid_tarsupervoxels.model import TarSettings
from dvid_tarsupervoxels.routes import ROUTES

__all__ = ["TarSupervoxels", "dvid_datatypes"]


class TarSupervoxels(Datatype):
    """Files such as meshes, one for each supervoxel, to be had one by one or all of a body's as one tarfile.

    Setting Extension (needed): what the names of files end in, such as `drc`. It can be changed by `POST info`; then
    files of the former extension are not seen until it is changed back.

    Files belong to the repo: they are the same at all versions, and can be written by way of any open one. What belongs
    to a version is which supervoxels a body has. Sync the instance with a labelmap, which tells that.
    """

    name = "tarsupervoxels"
    url = "github.com/janelia-flyem/dvid/datatype/tarsupervoxels"
    version = "0.1"
    instance = TarInstance
    settings = TarSettings
    routes = ROUTES
    logged = True
    follows = (ANY_TYPE,)

    @classmethod
    def parse_settings(cls, config: Mapping[str, Any]) -> TarSettings:
        """Make the settings of a new instance.

        Raises:
            BadRequest: there is no extension.
        """
        return TarSettings(checked_extension(config.get("extension")))


@hookimpl
def dvid_datatypes() -> list[type[Datatype]]:
    """Contribute the datatype."""
    return [TarSupervoxels]

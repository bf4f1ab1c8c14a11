"""What the plugin gives to the framework."""

from __future__ import annotations

from dvid_framework.api import Datatype, hookimpl
from dvid_keyvalue.routes import ROUTES, KeyValueInstance

__all__ = ["KeyValue", "dvid_datatypes"]


class KeyValue(Datatype):
    """A branched, versioned map from text keys to byte values.

    For meshes, skeletons, states of user interfaces, and anything without a datatype of its own. A key is one segment
    of the URL (escaped where needed), at most 4096 bytes long; keys are listed in the order of their bytes. Values are
    any bytes and come back as they were sent. A key that is deleted at a version is gone there and below, never above.
    """

    name = "keyvalue"
    url = "github.com/janelia-flyem/dvid/datatype/keyvalue"
    version = "0.2"
    instance = KeyValueInstance
    routes = ROUTES
    logged = True
    logs_users = False


@hookimpl
def dvid_datatypes() -> list[type[Datatype]]:
    """Contribute the datatype."""
    return [KeyValue]

"""What the plugin gives to the framework."""

from __future__ import annotations

from dvid_framework.api import Datatype, hookimpl
from dvid_neuronjson.instance import NeuronInstance
from dvid_neuronjson.routes import ROUTES

__all__ = ["NeuronJSON", "dvid_datatypes"]


class NeuronJSON(Datatype):
    """Annotations of neurons: a JSON object for each body, with who set each field and when, at every version its own.

    A key is the number of a body, and the field `bodyid` of its object too. For each other field, such as `type`, the
    fields `type_user` and `type_time` say who set it to its value and when; they are shown if they are asked for.
    Fields come back as they were posted, in the order of their names; a field is never null. Neurons that several
    merged versions changed are refused with 409 until they are posted anew with `replace=true`, or deleted.
    """

    name = "neuronjson"
    url = "github.com/janelia-flyem/dvid/datatype/neuronjson"
    version = "0.1"
    instance = NeuronInstance
    routes = ROUTES


@hookimpl
def dvid_datatypes() -> list[type[Datatype]]:
    """Contribute the datatype."""
    return [NeuronJSON]

"""What the plugin gives to the framework."""

from __future__ import annotations

from dvid_framework.api import Datatype, hookimpl
from dvid_labelgraph.instance import GraphInstance, GraphSettings
from dvid_labelgraph.routes import ROUTES

__all__ = ["LabelGraph", "dvid_datatypes"]


class LabelGraph(Datatype):
    """Weighted, undirected graphs of labels with properties, at every version their own.

    A vertex is a label, a number from 1 on, with a weight; an edge is a pair of vertices, with a weight. Both may have
    properties: any bytes by a name. For clients of older services; labelmap does not follow it, nor it labelmap.
    """

    name = "labelgraph"
    url = "github.com/janelia-flyem/dvid/datatype/labelgraph"
    version = "0.1"
    instance = GraphInstance
    settings = GraphSettings
    routes = ROUTES

    @classmethod
    def parse_settings(cls, config: object) -> GraphSettings:
        """Return the settings of a new instance; there is nothing to say about them."""
        del config
        return GraphSettings()


@hookimpl
def dvid_datatypes() -> list[type[Datatype]]:
    """Contribute the datatype."""
    return [LabelGraph]

"""What the plugin contributes: the datatype annotation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from dvid_annotation.instance import AnnotationInstance
from dvid_annotation.label_changes import FOLLOWED, delta
from dvid_annotation.model import AnnotationSettings
from dvid_annotation.routes import ROUTES
from dvid_framework.api import Datatype, LabelledPoints, hookimpl

__all__ = ["Annotation", "dvid_datatypes"]


class Annotation(Datatype):
    """Points in space, such as synapses and bookmarks: each has a kind, tags, properties and relationships.

    An element is at a voxel, and there is one for each voxel. Elements are found in boxes of voxels, by their tags, and
    by the label under them where the instance is synced with a segmentation: `{"sync": "segmentation"}` (labelmap,
    labelarray, labelblk, labelvol). From then on the lists of labels follow every write of voxels, merge, cleave, split
    and renumbering. What was there before, and mappings and indices that are posted directly, are taken in by `reload`.

    Elements are kept in blocks, as large as those of the synced labels, or else of 64 voxels along x, y and z. A block
    is named `x,y,z`: its voxel coordinates divided by its size, rounded down. `all-elements`, and the reads of boxes
    and blocks, give elements with their relationships; lists of tags and labels only on request.
    """

    name = "annotation"
    url = "github.com/janelia-flyem/dvid/datatype/annotation"
    version = "0.1"
    instance = AnnotationInstance
    settings = AnnotationSettings
    routes = ROUTES
    follows = ("labelmap", "labelarray", "labelblk", "labelvol")
    provides = (LabelledPoints,)
    announced = frozenset(FOLLOWED.values())

    @classmethod
    def published(cls, entry: Mapping[str, Any]) -> dict[str, Any]:
        """Return what of an entry of the log others are shown: of what labels did, the changes of their lists."""
        shown = super().published(entry)
        return {**shown, "Delta": delta(entry)} if entry["Action"] in cls.announced else shown

    @classmethod
    def parse_settings(cls, config: Mapping[str, Any]) -> AnnotationSettings:
        """Make the settings of a new instance: there is nothing to set."""
        del config
        return AnnotationSettings()


@hookimpl
def dvid_datatypes() -> Iterable[type[Datatype]]:
    """Give out the datatype."""
    return [Annotation]

"""What the plugin contributes: the datatype labelmap."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from dvid_framework.api import Datatype, Instance, LabelsAt, SupervoxelsOf, hookimpl
from dvid_labelmap.instance import LabelMapInstance
from dvid_labelmap.model import LabelMapSettings, new_settings
from dvid_labelmap.ops.index_build import build_indices, has_indices
from dvid_labelmap.routes import ROUTES

__all__ = ["LabelMap", "dvid_datatypes"]


class LabelMap(Datatype):
    """Versioned volumes of uint64 labels, for segmentations.

    A volume is kept in blocks (BlockSize voxels along x, y, z), compressed, at scale 0 and at lower resolutions up to
    MaxDownresLevel, each half of the one before. Any box of voxels can be read, also at negative coordinates; what was
    never written is label 0. Voxels hold supervoxels, and `supervoxels=true` asks for them unmapped.

    Settings of a new instance, all of them texts: BlockSize (64,64,64; multiples of 16), VoxelSize (8,8,8), VoxelUnits
    (nanometers,nanometers,nanometers), MaxDownresLevel (0), IndexedLabels (true), Background (0), MinPoint, MaxPoint.

    Raw labels are uint64, little-endian, of axis order Z, Y, X (X varies fastest). A stream of blocks is for each block
    four int32 (block coordinate x, y, z and number of bytes) and its bytes.
    """

    name = "labelmap"
    url = "github.com/janelia-flyem/dvid/datatype/labelmap"
    version = "0.2"
    instance = LabelMapInstance
    settings = LabelMapSettings
    routes = ROUTES
    default_compression = "gzip"
    logged = True
    announced = frozenset({"post-nextlabel", "post-maxlabel", "setnextlabel"})
    provides = (LabelsAt, SupervoxelsOf)

    @classmethod
    def parse_settings(cls, config: Mapping[str, Any]) -> LabelMapSettings:
        """Make the settings of a new instance from texts; unknown ones are ignored."""
        return new_settings(config)

    @classmethod
    def upgrade(cls, from_version: str) -> Callable[[Instance], None] | None:
        """Return what builds the indices of bodies that instances of the first stage did not have."""
        return None if has_indices(from_version) else build_indices


@hookimpl
def dvid_datatypes() -> Iterable[type[Datatype]]:
    """Give out the datatype."""
    return [LabelMap]

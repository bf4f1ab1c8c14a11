"""What the plugin contributes: the datatype labelmap, and the older ones that it stands in for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
import numpy.ma  # noqa: F401 - numpy imports it at the first sort: that should not be a request's

from dvid_framework.api import Datatype, Instances, LabelsAt, SupervoxelsOf, hookimpl
from dvid_labelmap.instance import LabelMapInstance
from dvid_labelmap.legacy_types import LEGACY_TYPES
from dvid_labelmap.model import LabelMapSettings, new_settings
from dvid_labelmap.ops.grid import fitted_settings
from dvid_labelmap.ops.index_build import INDEX_JOB, has_indices
from dvid_labelmap.routes import ROUTES

__all__ = ["LabelMap", "dvid_datatypes"]


class LabelMap(Datatype):
    """Versioned volumes of uint64 labels, for segmentations.

    A volume is kept in blocks (BlockSize voxels along x, y, z), compressed, at scale 0 and at lower resolutions up to
    MaxDownresLevel, each half of the one before. Any box of voxels can be read, also at negative coordinates; what was
    never written is label 0. Voxels hold supervoxels, and `supervoxels=true` asks for them unmapped.

    Settings of a new instance, all of them texts: BlockSize (64,64,64; multiples of 16), VoxelSize (8,8,8), VoxelUnits
    (nanometers,nanometers,nanometers), MaxDownresLevel (0), IndexedLabels (true), Background (0), MinPoint, MaxPoint;
    GridStore and ScaleLevel (a configured store of labels that the instance shows, with those of its scales behind that
    halve each other; it can't be written and has no bodies, but its labels can be mapped).

    Raw labels are uint64, little-endian, of axis order Z, Y, X (X varies fastest). A stream of blocks is for each block
    four int32 (block coordinate x, y, z and number of bytes) and its bytes.

    Supervoxels are mapped to bodies, at first each to a body of its own; a merge maps those of one body to another. The
    index of a body says how many voxels of which supervoxel each block holds; it follows every write of voxels. A
    sparse volume in the format rles has 12 bytes (0, 3, 0, 0, uint32 0, uint32 number of runs) and for each run along
    x four int32: x, y, z, length. In the format blocks it has three uint32 (8x8x8 sub-blocks of a block along x, y, z)
    and the uint64 label, then for each block int32 x, y, z of its first voxel and a byte: 0 nothing, 1 everything, or 2
    and for each sub-block such a byte, after a 2 with 64 bytes: a bit for each voxel, x fastest, lowest bit first.
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
    def complete_settings(cls, settings: msgspec.Struct, instances: Instances) -> msgspec.Struct:
        """Take resolution, extents and scales from the store of labels that a setting GridStore names.

        Raises:
            BadRequest: there is no such store, or it holds no labels.
        """
        assert isinstance(settings, LabelMapSettings)
        if not settings.grid_store:
            return settings
        return fitted_settings(settings, instances.grid(settings.grid_store))

    @classmethod
    def upgrade(cls, from_version: str) -> str | None:
        """Return the job that builds the indices of bodies, which instances of the first stage did not have."""
        return None if has_indices(from_version) else INDEX_JOB


@hookimpl
def dvid_datatypes() -> Iterable[type[Datatype]]:
    """Give out the datatypes."""
    return [LabelMap, *LEGACY_TYPES]

"""The older types of labels, which old clients still ask for; all of them are labelmaps inside."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from dvid_framework.api import BadRequest, Datatype, LabelsAt, SupervoxelsOf
from dvid_labelmap.legacy_instances import (
    LabelArrayInstance,
    LabelArraySettings,
    LabelBlkInstance,
    LabelVolInstance,
    LabelVolSettings,
)
from dvid_labelmap.model import LabelMapSettings, new_settings, read_switch
from dvid_labelmap.routes.legacy import LABELARRAY_ROUTES, LABELBLK_ROUTES, LABELVOL_ROUTES

__all__ = ["LEGACY_TYPES", "LabelArray", "LabelBlk", "LabelVol"]

_URL = "github.com/janelia-flyem/dvid/datatype/"
_BLOCK_SIDE = {"blocksize": "32,32,32"}


class LabelArray(Datatype):
    """Volumes of uint64 labels and the bodies in them: what came before labelmap. New data belongs into a labelmap.

    It is one inside, without addresses for supervoxels, indices and mappings. A merge or a split is done when it is
    answered.

    Settings of a new instance, all of them texts: those of labelmap, and CountLabels, which has no effect.
    """

    name = "labelarray"
    url = _URL + name
    version = "0.2"
    instance = LabelArrayInstance
    settings = LabelArraySettings
    routes = LABELARRAY_ROUTES
    default_compression = "gzip"
    logged = True
    provides = (LabelsAt, SupervoxelsOf)

    @classmethod
    def parse_settings(cls, config: Mapping[str, Any]) -> LabelArraySettings:
        """Make the settings of a new instance from texts; unknown ones are ignored."""
        count = config.get("countlabels", "true")
        try:
            counted = read_switch(count)
        except (ValueError, AttributeError) as error:
            raise BadRequest(f"setting 'CountLabels' must be the text true or false: {str(count)[:20]!r}") from error
        return LabelArraySettings(**msgspec.structs.asdict(new_settings(config)), count_labels=counted)


class LabelBlk(Datatype):
    """Volumes of uint64 labels without bodies: the oldest type. New data belongs into a labelmap.

    A labelvol that is synced with it shows its bodies, merges and splits them. Inside it is a labelmap of one scale.

    Settings of a new instance, all of them texts: BlockSize (32,32,32), VoxelSize (8,8,8), VoxelUnits, Background,
    MinPoint, MaxPoint.
    """

    name = "labelblk"
    url = _URL + name
    version = "0.2"
    instance = LabelBlkInstance
    settings = LabelMapSettings
    routes = LABELBLK_ROUTES
    logged = True
    follows = ("labelvol",)
    provides = (LabelsAt, SupervoxelsOf)

    @classmethod
    def parse_settings(cls, config: Mapping[str, Any]) -> LabelMapSettings:
        """Make the settings of a new instance from texts; unknown ones are ignored."""
        settings = new_settings({**_BLOCK_SIDE, **config})
        return msgspec.structs.replace(settings, max_downres_level=0, indexed_labels=True)


class LabelVol(Datatype):
    """The bodies of a labelblk as sparse volumes. New data belongs into a labelmap, which is both in one.

    Sync it with the labelblk: `{"sync": "segmentation"}`. It stores nothing itself: all is read from the labelblk, and
    merges and splits are done there, when they are answered.

    Settings of a new instance, all of them texts and only shown: BlockSize (32,32,32), VoxelSize (8,8,8), VoxelUnits.
    """

    name = "labelvol"
    url = _URL + name
    version = "0.2"
    instance = LabelVolInstance
    settings = LabelVolSettings
    routes = LABELVOL_ROUTES
    follows = ("labelblk",)
    provides = (LabelsAt, SupervoxelsOf)

    @classmethod
    def parse_settings(cls, config: Mapping[str, Any]) -> LabelVolSettings:
        """Make the settings of a new instance from texts; unknown ones are ignored."""
        read = new_settings({**_BLOCK_SIDE, **config})
        return LabelVolSettings(block_size=read.block_size, voxel_size=read.voxel_size, voxel_units=read.voxel_units)


LEGACY_TYPES: tuple[type[Datatype], ...] = (LabelArray, LabelBlk, LabelVol)

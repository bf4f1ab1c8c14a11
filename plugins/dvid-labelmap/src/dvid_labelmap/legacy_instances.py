"""Instances of the older types of labels: labelarray and labelblk hold voxels, labelvol shows bodies of a labelblk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from dvid_voxels.geometry import Triple

from dvid_framework.api import BadRequest, Instance, Mutation, Txn, VersionRecord
from dvid_labelmap.instance import LabelMapInstance
from dvid_labelmap.model import LabelMapSettings

__all__ = ["LabelArrayInstance", "LabelArraySettings", "LabelBlkInstance", "LabelVolInstance", "LabelVolSettings"]

# `unknown` are parameters of labelmap's routes that a type does not know; it passes them over.
_OF_LABELMAP = ("NextLabel", "IndexedLabels", "MaxDownresLevel")
_OF_BODIES = (*_OF_LABELMAP, "MaxLabel", "MaxRepoLabel")


class LabelArraySettings(LabelMapSettings, kw_only=True, frozen=True):
    """Settings of a labelarray.

    Attributes:
        count_labels: kept and shown, without effect: labels are always counted.
    """

    count_labels: bool = True


class LabelVolSettings(msgspec.Struct, kw_only=True, frozen=True):
    """Settings of a labelvol, which are only shown: its bodies are those of the labelblk that it follows.

    Attributes:
        block_size: voxels of a block along x, y, z.
        voxel_size: size of a voxel along x, y, z, in `voxel_units`.
        voxel_units: units along x, y, z.
    """

    block_size: tuple[int, int, int] = (32, 32, 32)
    voxel_size: tuple[float, float, float] = (8.0, 8.0, 8.0)
    voxel_units: tuple[str, str, str] = ("nanometers", "nanometers", "nanometers")


class LabelArrayInstance(LabelMapInstance):
    """A labelmap that shows itself as a labelarray."""

    settings: LabelArraySettings
    unknown = ("supervoxels",)

    def extended(self, version: VersionRecord) -> Mapping[str, Any]:
        shown = {name: value for name, value in super().extended(version).items() if name not in _OF_LABELMAP}
        settings = self.settings
        return {
            **shown,
            "IndexedLabels": settings.indexed_labels,
            "CountLabels": settings.count_labels,
            "MaxDownresLevel": settings.max_downres_level,
        }

    def source(self) -> LabelMapInstance:
        """Return the instance that holds the labels: this one."""
        return self


class LabelBlkInstance(LabelMapInstance):
    """A labelmap that shows itself as a labelblk."""

    unknown = ("supervoxels", "scale")

    def extended(self, version: VersionRecord) -> Mapping[str, Any]:
        return {name: value for name, value in super().extended(version).items() if name not in _OF_BODIES}

    def info(self, version: VersionRecord) -> dict[str, Any]:
        return Instance.info(self, version)

    def source(self) -> LabelMapInstance:
        """Return the instance that holds the labels: this one."""
        return self


class LabelVolInstance(Instance):
    """The bodies of the labelblk that it is synced with; it stores nothing itself."""

    settings: LabelVolSettings
    unknown = ("supervoxels", "scale", "format")

    def source(self) -> LabelMapInstance:
        """Return the labelblk that holds the labels.

        Raises:
            BadRequest: it is not synced with one.
        """
        followed = set(self.record.follows)
        for record in list(self.repo.instances.values()):
            if record.data_uuid in followed:
                found = self.instances.get(self.repo, record.name)
                if isinstance(found, LabelBlkInstance):
                    return found
        raise BadRequest(f"{self.name!r} is synced with no labelblk, whose bodies it would show: POST sync")

    def on_event(self, event: Mutation, leader: Instance, txn: Txn) -> None:
        """Tell what was done to the labelblk to those who follow this one: its bodies are that one's."""
        del leader
        own = self.record.data_uuid
        if any(own in record.follows for record in list(self.repo.instances.values())):
            for entry in event.entries:
                txn.emit(entry["Action"], **{name: value for name, value in entry.items() if name != "Action"})

    def extended(self, version: VersionRecord) -> Mapping[str, Any]:
        del version
        try:
            largest = self.source().counters.by_version()
        except BadRequest:
            largest = {}
        return {
            "VoxelSize": self.settings.voxel_size,
            "VoxelUnits": self.settings.voxel_units,
            "BlockSize": self.settings.block_size,
            "MaxLabel": {str(number): label for number, label in sorted(largest.items())},
        }

    # -- what others ask

    def labels_at(self, version: VersionRecord, points: Sequence[Triple], supervoxels: bool = False) -> Sequence[int]:
        """Return the label at each voxel (x, y, z)."""
        return self.source().labels_at(version, points, supervoxels)

    def label_block_size(self) -> Triple:
        """Return the size (x, y, z) in voxels of the blocks of the labelblk, or its own if it is synced with none."""
        try:
            return self.source().label_block_size()
        except BadRequest:
            return self.settings.block_size

    def supervoxels_of(self, version: VersionRecord, body: int) -> Sequence[int]:
        """Return the supervoxels of a body, ascending; none if there is no such body."""
        return self.source().supervoxels_of(version, body)

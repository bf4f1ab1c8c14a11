"""One labelmap instance: what it shows of itself, its locks and its counters."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any
from weakref import WeakValueDictionary

import msgspec
from dvid_labels.kernels import BlockCache
from dvid_voxels.description import describe_metadata, describe_volume
from dvid_voxels.extents import Extents, decode_extents, extents_at
from dvid_voxels.geometry import Triple

from dvid_framework.api import BadRequest, BriefWrites, Instance, InstanceContext, VersionRecord, View, Work
from dvid_labelmap.gathering import Gathering
from dvid_labelmap.keys import EXTENTS
from dvid_labelmap.model import LabelMapSettings, changed_settings
from dvid_labelmap.ops.body_index import supervoxel_sizes
from dvid_labelmap.ops.checking import damaged_blocks
from dvid_labelmap.ops.chunk_cache import cache_of
from dvid_labelmap.ops.counters import Counters
from dvid_labelmap.ops.grid import GridView
from dvid_labelmap.ops.index_build import INDEX_JOB, IndexBuild, build_indices
from dvid_labelmap.ops.index_checking import wrong_bodies
from dvid_labelmap.ops.mapping import body_mapping
from dvid_labelmap.ops.mapping_checking import wrong_mappings
from dvid_labelmap.ops.mapping_folding import fold_mappings
from dvid_labelmap.ops.mapping_store import FOLD_JOB, Mappings
from dvid_labelmap.ops.points import BlockSource, checked_points, labels_at
from dvid_labelmap.ops.supervoxel_places import SupervoxelPlaces
from dvid_labelmap.ops.turns import Turns
from dvid_labelmap.ops.version_merges import check_one_side

__all__ = ["LabelMapInstance"]

_CROWD = 3
_INFLATED_BYTES = 64 << 20


class LabelMapInstance(Instance):
    """A segmentation.

    Attributes:
        settings: its settings.
        counters: its counters of labels.
        mappings: what its supervoxels are mapped to.
        turns: the locks of its bodies, blocks and versions.
        places: where the supervoxels of large bodies are.
        crowd: where changes of bodies wait before they take a thread, so that reads find one.
        brief_writes: where brief ones wait.
        inflated: where inflated blocks of small reads are kept; all labelmaps of the server share it.
    """

    settings: LabelMapSettings

    def __init__(self, context: InstanceContext) -> None:
        super().__init__(context)
        self.counters = Counters(self)
        options = context.instances.options("labelmap")
        chunks = context.instances.shared("labelmap.mapping_chunks", lambda: cache_of(options))
        self.mappings = Mappings(self, chunks)
        self.inflated = context.instances.shared("labelmap.inflated", lambda: BlockCache(_INFLATED_BYTES))
        self._index_build = IndexBuild(self)
        self.turns = Turns()
        self.places = SupervoxelPlaces()
        self.crowd = asyncio.Semaphore(_CROWD)
        self.brief_writes = BriefWrites(self.log)
        self._queues: WeakValueDictionary[int, asyncio.Lock] = WeakValueDictionary()
        self._gatherings: WeakValueDictionary[int, Gathering] = WeakValueDictionary()

    def turn(self, version: int) -> AbstractContextManager[None]:
        """Return what is held while voxels of a version are written, by its id; reads take nothing."""
        return self.turns.alone(version)

    def queue(self, version: int) -> asyncio.Lock:
        """Return where writers of a version wait before they take a thread, so that reads always find one."""
        return self._queues.setdefault(version, asyncio.Lock())

    def gathering(self, version: int) -> Gathering:
        """Return where writers of voxels of a version wait, by its id, to be stored together."""
        return self._gatherings.setdefault(version, Gathering(self.queue(version)))

    def members(self, version: VersionRecord) -> Collection[int]:
        """Return the ids of all versions whose data a version sees."""
        return self.repo.dag.lineage(self.number_of(version)).members

    def view(self, version: VersionRecord) -> View:
        """Return one state of the data; blocks are those of the grid store that the instance shows, if it shows one."""
        plain = super().view(version)
        if not self.settings.shows_grid:
            return plain
        return GridView(plain, self.instances.grid(self.settings.grid_store), self.settings)

    def block_source(self, view: View, scale: int) -> BlockSource:
        """Return the stored blocks of a scale of a version, with the inflated ones that are kept."""
        number = None if self.settings.shows_grid else self.record.id
        return BlockSource(view, self.settings.block_size, scale, self.inflated, number)

    def check_writable(self) -> None:
        """Check that voxels can be written.

        Raises:
            BadRequest: the instance shows those of somebody else.
        """
        if self.settings.shows_grid:
            raise BadRequest(f"{self.name!r} shows the grid store {self.settings.grid_store!r}, which is only read")

    # -- extents

    def own_extents(self, version: int) -> Extents | None:
        """Return what a version has of its own, by its id."""
        value = self.own_values(EXTENTS).get(version)
        return None if value is None else decode_extents(value)

    def extents(self, version: VersionRecord) -> tuple[Triple | None, Triple | None]:
        """Return the first and the last voxel of a version's extents; those of the settings before any are known."""
        found = extents_at(self.number_of(version), self.own_values(EXTENTS), self.repo.dag.parents)
        if found is None:
            return self.settings.min_point, self.settings.max_point
        return found.min_point, found.max_point

    # -- what it shows

    def properties(self, version: VersionRecord) -> dict[str, Any]:
        """Return what `metadata` shows under `Properties`."""
        return {
            "Values": [{"DataType": "uint64", "Label": self.datatype.name}],
            "Interpolable": False,
            **describe_volume(self.settings, *self.extents(version)),
        }

    def extended(self, version: VersionRecord) -> Mapping[str, Any]:
        """Return what `info` shows under `Extended` at a version."""
        largest = self.counters.by_version()
        return {
            **self.properties(version),
            "MaxLabel": {str(number): label for number, label in sorted(largest.items())},
            "MaxRepoLabel": self.counters.largest_of_repo,
            "NextLabel": self.counters.set_label,
            "IndexedLabels": self.settings.indexed_labels,
            "MaxDownresLevel": self.settings.max_downres_level,
        }

    def info(self, version: VersionRecord) -> dict[str, Any]:
        """Return what `GET info` answers."""
        low, high = self.extents(version)
        return {**super().info(version), "Extents": {"MinPoint": low, "MaxPoint": high}}

    def metadata(self, version: VersionRecord) -> dict[str, Any]:
        """Return what `GET metadata` answers: resolution, units, size and offset of each axis, and properties."""
        return describe_metadata(self.settings, self.properties(version), *self.extents(version))

    # -- bodies

    def check_indexed(self) -> None:
        """Check that bodies can be asked for and changed.

        Raises:
            Unavailable: they are being indexed.
        """
        self._index_build.check()

    def is_indexed(self) -> bool:
        """Tell whether bodies can be asked for."""
        return self._index_build.is_done()

    def jobs(self) -> Mapping[str, Work]:
        """Return the work in the background: bodies of an instance of an earlier stage are indexed, mappings folded."""
        return {
            INDEX_JOB: lambda job: build_indices(self, job),
            FOLD_JOB: lambda job: fold_mappings(self, job),
        }

    # -- settings

    def post_info(self, version: VersionRecord, config: Mapping[str, Any], user: str) -> None:
        """Change settings, for all versions."""
        del version
        with self.lock:
            self.save_settings(changed_settings(self.settings, config), user)

    def change(self, user: str, **changes: Any) -> None:
        """Change single settings, for all versions."""
        with self.lock:
            self.save_settings(msgspec.structs.replace(self.settings, **changes), user)

    # -- what others ask

    def labels_at(self, version: VersionRecord, points: Sequence[Triple], supervoxels: bool = False) -> Sequence[int]:
        """Return the body (or supervoxel) at each voxel (x, y, z)."""
        with self.view(version) as view:
            found = labels_at(self.block_source(view, 0), checked_points(points), body_mapping(self, view, supervoxels))
            return [int(label) for label in found.tolist()]

    def label_block_size(self) -> Triple:
        """Return the size (x, y, z) in voxels of the blocks that its events name."""
        return self.settings.block_size

    def supervoxels_of(self, version: VersionRecord, body: int) -> Sequence[int]:
        """Return the supervoxels of a body, ascending; none if there is no such body."""
        self.check_indexed()
        with self.view(version) as view:
            return [int(label) for label in supervoxel_sizes(view, body)[0].tolist()]

    def check_version_merge(self, parents: Sequence[VersionRecord]) -> None:
        """Refuse to merge versions of which several changed this instance: index, mapping and voxels would disagree."""
        check_one_side(self, parents)

    def check(self, version: VersionRecord) -> Iterable[str]:
        """Yield a sentence for each block of a version that is damaged, and each body that is not what blocks say."""
        if self.settings.shows_grid:
            return  # the voxels are somebody else's
        with self.view(version) as view:
            damaged = list(damaged_blocks(view, self.settings.block_size))
            yield from damaged
            yield from wrong_mappings(self, view, version)
            if not damaged and self.settings.indexed_labels and self.is_indexed():
                yield from wrong_bodies(self, view)

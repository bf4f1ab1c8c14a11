"""One instance of counts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from dvid_voxels.regions import blocks_inside
from numpy.typing import NDArray

from dvid_framework.api import (
    LABEL_CHANGES,
    BadRequest,
    BlockMask,
    Instance,
    InstanceContext,
    Job,
    LabelledPoints,
    Mutation,
    Step,
    Txn,
    Unavailable,
    VersionRecord,
    View,
    Work,
    changed_sides,
)
from dvid_labelsz.checking import wrong_ranks
from dvid_labelsz.counting import add_changes, summed
from dvid_labelsz.model import COUNTED, LabelSizeSettings
from dvid_labelsz.ranks import MARK
from dvid_labelsz.recounting import RELOAD_JOB, RUNNING, recount
from dvid_labelsz.region import Region, find_region

__all__ = ["LabelSizeInstance"]

_NO_COLUMN = -1


class LabelSizeInstance(Instance):
    """How many annotations of each kind labels hold."""

    settings: LabelSizeSettings

    def __init__(self, context: InstanceContext) -> None:
        super().__init__(context)
        self._region: Region | None = None

    def extended(self, version: VersionRecord) -> Mapping[str, Any]:
        """Return what `info` shows of the type."""
        del version
        return {"StaticROI": self.settings.roi}

    def leader(self) -> Instance | None:
        """Return the annotation whose elements are counted."""
        there = {record.data_uuid: record.name for record in list(self.repo.instances.values())}
        for uuid in self.record.follows:
            if uuid in there:
                found = self.instances.get(self.repo, there[uuid])
                if isinstance(found, LabelledPoints):
                    return found
        return None

    def inside(self, positions: NDArray[np.int32]) -> NDArray[np.bool_]:
        """Tell which voxels (x, y, z) lie in the region; all of them where there is none."""
        if not self.settings.roi or not len(positions):
            return np.ones(len(positions), bool)
        try:
            region = self._region = self._region or find_region(self.repo, self.instances, self.settings.roi)
        except BadRequest:  # it was deleted: nothing lies in it
            return np.zeros(len(positions), bool)
        mask: BlockMask = region.mask
        blocks = positions.astype(np.int64) // np.array(mask.mask_block_size(), np.int64)
        names, places = np.unique(blocks, axis=0, return_inverse=True)
        return blocks_inside(lambda first, count: mask.block_mask(region.version, first, count), names)[places.ravel()]

    def columns(self, kinds: Sequence[str]) -> NDArray[np.int64]:
        """Return the columns of the counts by the numbers that a leader gives to kinds; -1 for what is not counted."""
        return np.array([COUNTED.index(kind) if kind in COUNTED else _NO_COLUMN for kind in kinds], np.int64)

    def check_counted(self, view: View) -> None:
        """Refuse to tell counts that are being made anew.

        Raises:
            Unavailable: they are.
        """
        if bytes(view.get(MARK) or b"") == RUNNING:
            raise Unavailable(f"the counts of {self.name!r} are being made anew; GET jobs tells more", retry_after=2)

    # -- following

    def on_event(self, event: Mutation, leader: Instance, txn: Txn) -> None:
        """Take what a mutation did to the labels of elements into the counts."""
        packed = b"".join(entry["_LabelChanges"] for entry in event.entries if "_LabelChanges" in entry)
        if not packed or leader is not self.leader() or not isinstance(leader, LabelledPoints):
            return
        changes = np.frombuffer(packed, LABEL_CHANGES)
        changes = changes[self.inside(changes["position"])]
        columns = self.columns(leader.point_kinds())
        labels = np.concatenate([changes["label_before"], changes["label"]])
        kinds = columns[np.concatenate([changes["kind_before"], changes["kind"]])]
        steps = np.repeat([-1, 1], len(changes))
        counted = (labels != 0) & (kinds != _NO_COLUMN)
        with self.view(self.repo.dag[event.version]) as view:
            mark = view.get(MARK)
            if mark is not None and int.from_bytes(mark, "big") >= event.number:
                return  # a reload has counted this already, or will
            add_changes(view, txn, *summed(labels[counted], kinds[counted], steps[counted]))

    # -- work behind

    def jobs(self) -> Mapping[str, Work]:
        """Return the work in the background: counting anew."""
        return {RELOAD_JOB: self._recount}

    def _recount(self, job: Job) -> Iterator[Step]:
        """Count anew. It rests nowhere in between: half a count is none."""
        assert job.version is not None
        recount(self, job.version, job.user)
        yield Step(None, 1, 1)

    def on_version_merge(self, version: VersionRecord, parents: Sequence[VersionRecord]) -> None:
        """Count anew where several sides of a merge changed counts."""
        leader = self.leader()
        if leader is not None and changed_sides([self, leader], parents) > 1:
            leader.on_version_merge(version, parents)  # its lists come first, whoever is called first
            recount(self, version)

    def check(self, version: VersionRecord) -> Iterable[str]:
        """Yield a sentence for each label whose ranks are not what its counts say."""
        with self.view(version) as view:
            yield from wrong_ranks(view)

"""One instance of annotations."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from dvid_annotation.edit import Edit
from dvid_annotation.keys import LABEL, Triple, label_of
from dvid_annotation.model import BLOCK_SIZE, KINDS, AnnotationSettings, Position
from dvid_annotation.ops.checking import wrong_rows
from dvid_annotation.ops.following import found_in, relabel, touched_by
from dvid_annotation.ops.reloading import RELOAD_JOB, reload_indices, reload_steps
from dvid_annotation.rows import Rows
from dvid_annotation.stored import Row
from dvid_framework.api import (
    BadRequest,
    Instance,
    InstanceContext,
    LabelsAt,
    Mutation,
    Txn,
    VersionRecord,
    View,
    Work,
    changed_sides,
)

__all__ = ["AnnotationInstance"]

_POINTS_AT_ONCE = 100_000


class AnnotationInstance(Instance):
    """Annotations of one kind of thing: synapses, bookmarks. It provides `LabelledPoints`."""

    settings: AnnotationSettings

    def __init__(self, context: InstanceContext) -> None:
        super().__init__(context)
        self._asked_at: int | None = None

    # -- labels

    def leaders(self) -> list[Instance]:
        """Return the instances that this one follows, in the order in which they were named."""
        there = {record.data_uuid: record.name for record in list(self.repo.instances.values())}
        names = [there[uuid] for uuid in self.record.follows if uuid in there]
        return [self.instances.get(self.repo, name) for name in names]

    @property
    def block_size(self) -> Triple:
        """Voxels of a block along x, y, z: those of the synced labels, from the first elements on for ever."""
        if self.settings.block_size is not None:
            return self.settings.block_size
        return _block_size_of(self.leaders())

    def check_follows(self, leaders: Sequence[Instance]) -> None:
        """Refuse labels of another block size than that of the elements that are there.

        Raises:
            BadRequest: the blocks differ.
        """
        kept = self.settings.block_size
        labels = [leader for leader in leaders if isinstance(leader, LabelsAt)]
        if kept is not None and labels and _block_size_of(labels) != kept:
            raise BadRequest(
                f"the elements of {self.name!r} are kept in blocks of {kept} voxels, and the labels of "
                f"{labels[0].name!r} in others: make an instance, sync it, and then post elements"
            )

    def keep_block_size(self) -> None:
        """Note the size of blocks, now that elements are going to be stored; call it with the lock held."""
        if self.settings.block_size is None:
            self.save_settings(msgspec.structs.replace(self.settings, block_size=self.block_size))

    def label_finder(self, version: VersionRecord) -> Callable[[Sequence[Position]], Sequence[int]] | None:
        """Return what finds the labels at places at a version; None without synced labels."""
        sources = [leader for leader in self.leaders() if isinstance(leader, LabelsAt)]

        def find(positions: Sequence[Position]) -> list[int]:
            found: list[int] = []
            for at in range(0, len(positions), _POINTS_AT_ONCE):
                found += sources[0].labels_at(version, positions[at : at + _POINTS_AT_ONCE])
            if self._asked_at is not None:
                self._asked_at = max(self._asked_at, sources[0].log.last_of(sources[0].record.id))
            return found

        while sources:
            try:
                sources[0].labels_at(version, [])
            except BadRequest:  # a labelvol without its labelblk has none
                del sources[0]
            else:
                return find
        return None

    # -- changes

    def edit(self, view: View, txn: Txn, version: VersionRecord, *, mending: bool = False) -> Edit:
        """Return what a mutation of a version works on; `rows.write()` ends it."""
        return Edit(Rows(view, txn, mending=mending), self.block_size, self.label_finder(version))

    def on_event(self, event: Mutation, leader: Instance, txn: Txn) -> None:
        """Put elements into the lists of the labels that are under them since a mutation of labels."""
        touched = touched_by(event.entries)
        if not touched or not isinstance(leader, LabelsAt):
            return
        version = self.repo.dag[event.version]
        with self.view(version) as view:
            edit = self.edit(view, txn, version, mending=True)
            if edit.find_labels is None:
                return
            found = found_in(edit, view, touched, leader.label_block_size())
            if touched.target and self._is_up_to(event, leader):
                relabel(edit, found, [touched.target] * len(found))
            else:
                relabel(edit, found, edit.find_labels([one.position for one in found]))
            edit.rows.write()
            if len(edit.changes):
                fields = {"MutationID": event.mutation_id} if event.mutation_id else {}
                edit.changes.emit(txn, edit.changes.action_after(event.entries[0]["Action"]), **fields)

    def _is_up_to(self, event: Mutation, leader: Instance) -> bool:
        """Tell whether no label was asked for so far that is later than a mutation: then lists can go over whole."""
        if self._asked_at is None:
            self._asked_at = leader.log.last_of(leader.record.id)
        return event.number >= self._asked_at and not leader.record.follows and leader is self.leaders()[0]

    # -- work behind

    def jobs(self) -> Mapping[str, Work]:
        """Return the work in the background: making the indices what the blocks say."""
        return {RELOAD_JOB: lambda job: reload_indices(self, job)}

    def on_version_merge(self, version: VersionRecord, parents: Sequence[VersionRecord]) -> None:
        """Make the indices right where several sides of a merge changed elements or labels."""
        if changed_sides([self, *self.leaders()], parents) > 1:
            for _ in reload_steps(self, version):
                pass

    def check(self, version: VersionRecord) -> Iterable[str]:
        """Yield a sentence for each row of an index that is not what its block says."""
        with self.view(version) as view:
            yield from wrong_rows(view, self.block_size)

    # -- what others ask

    def point_kinds(self) -> Sequence[str]:
        """Return the names of kinds; their places are the numbers of kinds."""
        return KINDS

    def labelled_points(self, version: VersionRecord) -> tuple[int, Iterator[tuple[int, NDArray[Any], NDArray[Any]]]]:
        """Return all elements that have a label, and the number of the last mutation that they take into account."""
        while True:
            number = self.log.last_of(self.record.id)
            view = self.view(version)
            if view.epoch is not None and self.log.last_of(self.record.id) == number:
                return number, _labelled(view)
            view.close()


def _labelled(view: View) -> Iterator[tuple[int, NDArray[np.uint8], NDArray[np.int32]]]:
    with view:
        for key, value in view.scan(LABEL, bytes([LABEL[0] + 1])):
            row = Row(value)
            yield label_of(key), row.kinds, row.positions


def _block_size_of(leaders: Sequence[Any]) -> Triple:
    for leader in leaders:
        if isinstance(leader, LabelsAt):
            return leader.label_block_size()
    return BLOCK_SIZE

"""The end of every change of bodies: mappings and counters are added, and all is committed as one unit."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from dvid_labels.types import Labels, Mapping

from dvid_framework.api import Txn, VersionRecord, View
from dvid_labelmap.ops.index_changes import Stamp
from dvid_labelmap.ops.supervoxel_places import SupervoxelPlaces

if TYPE_CHECKING:
    from dvid_labelmap.instance import LabelMapInstance

__all__ = ["BodyChange", "commit_bodies", "commit_in", "committing", "joined_entries", "new_stamp"]


class BodyChange(NamedTuple):
    """A change of bodies that a request wants.

    Attributes:
        instance: the instance.
        version: the version.
        txn: a transaction of both.
        stamp: what the mutation leaves in the bodies that it changes; its id is taken by `numbered`.
    """

    instance: LabelMapInstance
    version: VersionRecord
    txn: Txn
    stamp: Stamp

    @property
    def number(self) -> int:
        """Id of the version whose data is changed."""
        return self.instance.number_of(self.version)

    @property
    def places(self) -> SupervoxelPlaces:
        """Where the supervoxels of the instance's large bodies are."""
        return self.instance.places

    def numbered(self) -> BodyChange:
        """Return the change with its mutation id in the stamp; the bodies' turn must have come."""
        return self._replace(stamp=self.stamp._replace(mutation_id=self.txn.mutation_id))


def new_stamp(user: str, app: str) -> Stamp:
    """Return a stamp of now, still without a mutation id."""
    return Stamp(0, time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), user, app)


def joined_entries(*parts: tuple[Labels, int | Labels]) -> Mapping:
    """Return mapping entries, uint64 (n,) each, of several lists of supervoxels and what each list is mapped to."""
    source = np.concatenate([labels for labels, _ in parts]).astype(np.uint64, copy=False)
    target, first = np.empty_like(source), 0
    for labels, to in parts:
        last = first + len(labels)
        target[first:last] = to
        first = last
    return source, target


def commit_bodies(change: BodyChange, entries: Mapping, *, taken: int = 0, named: int = 0) -> None:
    """Add mappings, and the largest of the labels that are new, to a transaction, and commit.

    Only here changes of different bodies wait for each other.

    Args:
        change: the change, with its indices and log entries in its transaction.
        entries: supervoxels and what they are mapped to from now on.
        taken: the largest label that the counters gave; 0 without one.
        named: the largest label that the client gave; 0 without one.

    Raises:
        TooLarge: all of it is more than one mutation may have.
    """
    with committing(change) as view:
        commit_in(change, view, entries, taken=taken, named=named)


@contextmanager
def committing(change: BodyChange) -> Iterator[View]:
    """Return a context with all that a commit of bodies needs, which gives the version before the change.

    Of one instance one change is in it at a time.
    """
    instance = change.instance
    with instance.mappings.lock, instance.counters.lock, instance.view(change.version) as view:
        yield view


def commit_in(change: BodyChange, view: View, entries: Mapping, *, taken: int = 0, named: int = 0) -> None:
    """As `commit_bodies`, within `committing`, which gave the view."""
    instance, version, txn, _ = change
    instance.mappings.add(view, txn, *entries)
    if taken:
        instance.counters.keep(txn, change.number, taken, instance.members(version))
    if named:
        instance.counters.raise_to(txn, change.number, named, instance.members(version))
    txn.commit()

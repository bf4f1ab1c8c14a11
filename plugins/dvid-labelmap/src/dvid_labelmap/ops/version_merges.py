"""Merges of versions that a labelmap could not follow: bodies, mappings and voxels of both sides would disagree."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from dvid_framework.api import Conflict, VersionRecord

if TYPE_CHECKING:
    from dvid_labelmap.instance import LabelMapInstance

__all__ = ["check_one_side"]

_HARMLESS = frozenset({"post-nextlabel", "post-maxlabel", "setnextlabel", "extents"})


def check_one_side(instance: LabelMapInstance, parents: Sequence[VersionRecord]) -> None:
    """Check that only one of the versions to merge changed a labelmap since their common ancestors.

    Raises:
        Conflict: several did.
    """
    if not instance.record.versioned:
        return
    dag = instance.repo.dag
    common = dag.common_ancestors([parent.id for parent in parents])
    changed: dict[str, set[int]] = {}
    for parent in parents:
        since = dag.lineage(parent.id).members - common
        changed[parent.uuid] = {number for number in since if _changed(instance, dag[number])}
    sides = [uuid for uuid, versions in changed.items() if versions]
    if any(changed[one] - changed[other] and changed[other] - changed[one] for one in sides for other in sides):
        raise Conflict(
            f"labelmap {instance.name!r} was changed in several of the versions ({', '.join(sides)}) since their "
            "common ancestor; such versions can't be merged: repeat the changes of one of them in the other"
        )


def _changed(instance: LabelMapInstance, version: VersionRecord) -> bool:
    """Tell whether voxels, indices or mappings were changed at a version."""
    return any(
        entry["Action"] not in _HARMLESS
        for mutation in instance.latest_mutations(version)
        for entry in mutation.entries
    )

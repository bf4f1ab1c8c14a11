"""What several sides of a merge of versions did."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dvid_framework.instances.instance import Instance
    from dvid_framework.versions.record import VersionRecord

__all__ = ["changed_sides"]


def changed_sides(instances: Sequence[Instance], parents: Sequence[VersionRecord]) -> int:
    """Return on how many sides of a merge one of some instances of a repo was changed since what all sides share.

    Args:
        instances: such as one and those that it follows; at least one.
        parents: the versions that are merged.
    """
    dag = instances[0].repo.dag
    sides = [set(dag.lineage(parent.id).members) for parent in parents]
    shared = set.intersection(*sides)
    return sum(
        any(next(one.latest_mutations(dag[number]), None) for number in side - shared for one in instances)
        for side in sides
    )

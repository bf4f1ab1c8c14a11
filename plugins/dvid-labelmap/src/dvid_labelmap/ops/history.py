"""What was done to a body: the log of a line of versions, as far as it concerns the bodies that it came from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from dvid_framework.api import BadRequest, VersionRecord

if TYPE_CHECKING:
    from dvid_labelmap.instance import LabelMapInstance

__all__ = ["body_history", "line_of_versions"]

# By action: the field of the body that comes of it, and the field of the bodies (or body) that it comes from.
_FIELDS = {
    "merge-complete": ("Target", "Labels"),
    "cleave-complete": ("CleavedLabel", "OrigLabel"),
    "renumber-complete": ("NewLabel", "OrigLabel"),
    "split-complete": ("NewLabel", "Target"),
    "unsplit-complete": ("Target", "NewLabel"),
    "split-supervoxel-complete": ("Body", "Body"),
    "unsplit-supervoxel-complete": ("Body", "Body"),
}


def line_of_versions(instance: LabelMapInstance, first: VersionRecord, last: VersionRecord) -> Sequence[VersionRecord]:
    """Return the versions from `last` back to `first` along first parents.

    Raises:
        BadRequest: `first` is not among them.
    """
    if not instance.record.versioned:
        return [last]
    walk = instance.repo.dag.first_parents(last.id)
    ids = [version.id for version in walk]
    if first.id not in ids:
        raise BadRequest(f"version {first.uuid} is no ancestor of version {last.uuid} along first parents")
    return walk[: ids.index(first.id) + 1]


def body_history(instance: LabelMapInstance, body: int, versions: Iterable[VersionRecord]) -> list[dict[str, Any]]:
    """Return the log entries that concern a body and those that it came from, the oldest first.

    Args:
        instance: the instance.
        body: the body, as of the newest version.
        versions: the versions, the newest first.
    """
    bodies, found = {body}, []
    for version in versions:
        for mutation in instance.latest_mutations(version):
            for entry in reversed(instance.wire_entries(mutation)):
                fields = _FIELDS.get(entry["Action"])
                if fields is None:
                    continue
                came = entry[fields[1]]
                sources = set(came) if isinstance(came, list) else {came}
                becomes = entry[fields[0]] in bodies
                if becomes or bodies & sources:
                    found.append(entry)
                if becomes:
                    bodies |= sources
    return found[::-1]

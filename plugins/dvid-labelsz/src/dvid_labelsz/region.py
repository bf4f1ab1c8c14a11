"""The region outside of which nothing counts."""

from __future__ import annotations

from typing import NamedTuple

from dvid_framework.api import BadRequest, BlockMask, Instances, Repo, VersionRecord

__all__ = ["Region", "find_region"]


class Region(NamedTuple):
    """A region at a version."""

    mask: BlockMask
    version: VersionRecord


def find_region(repo: Repo, instances: Instances, text: str) -> Region:
    """Return the region that `NAME,UUID` means; the beginning of a UUID is enough.

    Raises:
        BadRequest: it means none.
    """
    parts = text.split(",")
    if len(parts) != 2:
        raise BadRequest(f"ROI must be a name and a UUID, as in NAME,UUID, and not {text[:60]!r}")
    name, uuid = parts
    found = [version for version in list(repo.dag) if uuid and version.uuid.startswith(uuid)]
    if len(found) != 1:
        raise BadRequest(
            f"ROI: {uuid[:40]!r} is the UUID of {'no' if not found else 'more than one'} version of this repo"
        )
    mask = instances.provider(repo, name, BlockMask)  # type: ignore[type-abstract]  # a protocol
    return Region(mask, found[0])

"""How many mappings there are."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from dvid_framework.api import Repo

if TYPE_CHECKING:
    from dvid_labelmap.instance import LabelMapInstance

__all__ = ["mapping_stats"]

_UNITS = ("B", "kB", "MB", "GB", "TB")


def _readable(size: float) -> str:
    """Return a number of bytes as 812 B, 3.2 kB, 45 MB."""
    unit = 0
    while size >= 1000 and unit < len(_UNITS) - 1:
        size, unit = size / 1000, unit + 1
    return f"{size:.1f} {_UNITS[unit]}" if unit and size < 10 else f"{size:.0f} {_UNITS[unit]}"


def mapping_stats(asked: LabelMapInstance, repos: Iterable[Repo]) -> dict[str, Any]:
    """Return what `map-stats` shows: by name the labelmaps of all repos; the one asked for wins its name.

    Args:
        asked: the instance that is asked.
        repos: all repos of the server.
    """
    stats: dict[str, Any] = {}
    for repo in repos:
        for name, record in list(repo.instances.items()):
            if record.type_name == asked.datatype.name and (name != asked.name or record.id == asked.record.id):
                found: Any = asked.instances.get(repo, name)
                entries, versions, newest = found.mappings.stored()
                stats[name] = {
                    "MapEntries": entries,
                    "MapSize": _readable(16 * entries),
                    "NumVersions": versions,
                    "MaxVersion": newest,
                }
    return stats

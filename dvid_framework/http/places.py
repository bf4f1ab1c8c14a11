"""What addresses below instances name, remembered until anything of repos, versions and instances changes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from dvid_framework.http.table import TypeTable
from dvid_framework.instances.instance import Instance
from dvid_framework.instances.registry import Instances
from dvid_framework.versions.record import InstanceRecord, VersionRecord
from dvid_framework.versions.repo import Repo
from dvid_framework.versions.repos import Repos

__all__ = ["Place", "Places"]

_MOST = 1024  # remembered at once


class Place(NamedTuple):
    """An instance at a version; `table` is None where its type has no routes."""

    repo: Repo
    version: VersionRecord
    record: InstanceRecord
    instance: Instance
    table: TypeTable | None


class Places:
    """Finds instances at versions; used on the event loop alone.

    Args:
        repos: all repos.
        instances: the registry.
        types: the routes of each type.
    """

    def __init__(self, repos: Repos, instances: Instances, types: Mapping[str, TypeTable]) -> None:
        self._repos = repos
        self._instances = instances
        self._types = types
        self._changes = repos.changes
        self._places: dict[tuple[str, str], Place] = {}

    def known(self, reference: str, name: str) -> Place | None:
        """Return what was found before for a version's reference and an instance's name, if it must still be so."""
        if self._changes != self._repos.changes:
            self._places.clear()
            self._changes = self._repos.changes
            return None
        return self._places.get((reference, name))

    def find(self, reference: str, name: str, repo: Repo, version: VersionRecord) -> Place:
        """Return an instance at a version; call `known` first, and before the version is looked up.

        Args:
            reference: what the address names the version by.
            name: the instance's name.
            repo: the repo of the version.
            version: the version.

        Raises:
            BadRequest: there is no such instance.
            NotInstalled: its datatype is not installed.
        """
        record = repo.instance(name)
        table = self._types.get(record.type_name)
        place = Place(repo, version, record, self._instances.get(repo, record.name), table)
        if len(self._places) >= _MOST:
            self._places.clear()
        self._places[reference, name] = place
        return place

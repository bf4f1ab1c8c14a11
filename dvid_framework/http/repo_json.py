"""The JSON of a repo: clients build the DAG from it, by the local ids of versions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from dvid_framework.errors import NotInstalled

if TYPE_CHECKING:
    from dvid_framework.server import Server
    from dvid_framework.versions.record import VersionRecord
    from dvid_framework.versions.repo import Repo

__all__ = ["repo_json"]


def _version_json(repo: Repo, version: VersionRecord, seen: frozenset[int] | None) -> dict[str, Any]:
    parents: Sequence[int] = version.parents
    children: Sequence[int] = repo.dag.children(version.id)
    if seen is not None:
        parents, children = [id_ for id_ in parents if id_ in seen], [id_ for id_ in children if id_ in seen]
    return {
        "Branch": version.branch,
        "Note": version.note,
        "Log": version.log,
        "UUID": version.uuid,
        "VersionID": version.id,
        "Locked": version.locked,
        "Parents": parents,
        "Children": children,
        "Created": version.created,
        "Updated": version.updated,
    }


def _instance_json(server: Server, repo: Repo, name: str, seen: frozenset[int] | None) -> dict[str, Any]:
    """Versioned properties are those of master's newest version, or of the newest one that the caller may read."""
    version = repo.dag.head("master") if seen is None else repo.dag[max(seen)]
    try:
        return server.instances.get(repo, name).info(version)
    except NotInstalled:
        record = repo.instance(name)
        base = {
            "TypeName": record.type_name,
            "TypeURL": record.type_url,
            "TypeVersion": record.type_version,
            "DataUUID": record.data_uuid,
            "Name": record.name,
            "RepoUUID": record.made_at,
            "Versioned": record.versioned,
            "Tags": record.tags,
            "Installed": False,
        }
        return {"Base": base, "Extended": record.settings}


def repo_json(server: Server, repo: Repo, seen: frozenset[int] | None = None) -> dict[str, Any]:
    """Return what `GET /api/repo/UUID/info` answers.

    Args:
        server: the server.
        repo: the repo.
        seen: ids of the versions that the caller may know of, at least one; None for all, and the repo's log.
    """
    record = repo.record
    following, saved = repo.mutation_ids.state
    versions = [version for version in repo.dag if seen is None or version.id in seen]
    return {
        "Root": record.root,
        "Alias": record.alias,
        "Description": record.description,
        "Log": record.log if seen is None else [],
        "Properties": {},
        "DataInstances": {name: _instance_json(server, repo, name, seen) for name in list(repo.instances)},
        "DAG": {
            "Root": record.root,
            "Nodes": {version.uuid: _version_json(repo, version, seen) for version in versions},
        },
        "MutationID": following,
        "SavedMutationID": saved,
        "Created": record.created,
        "Updated": record.updated,
    }

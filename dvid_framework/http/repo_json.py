"""The JSON of a repo: clients build the DAG from it, by the local ids of versions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dvid_framework.errors import NotInstalled

if TYPE_CHECKING:
    from dvid_framework.server import Server
    from dvid_framework.versions.record import VersionRecord
    from dvid_framework.versions.repo import Repo

__all__ = ["repo_json"]


def _version_json(repo: Repo, version: VersionRecord) -> dict[str, Any]:
    return {
        "Branch": version.branch,
        "Note": version.note,
        "Log": version.log,
        "UUID": version.uuid,
        "VersionID": version.id,
        "Locked": version.locked,
        "Parents": version.parents,
        "Children": repo.dag.children(version.id),
        "Created": version.created,
        "Updated": version.updated,
    }


def _instance_json(server: Server, repo: Repo, name: str) -> dict[str, Any]:
    """Versioned properties are those of master's newest version."""
    try:
        return server.instances.get(repo, name).info(repo.dag.head("master"))
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


def repo_json(server: Server, repo: Repo) -> dict[str, Any]:
    """Return what `GET /api/repo/UUID/info` answers."""
    record = repo.record
    following, saved = repo.mutation_ids.state
    return {
        "Root": record.root,
        "Alias": record.alias,
        "Description": record.description,
        "Log": record.log,
        "Properties": {},
        "DataInstances": {name: _instance_json(server, repo, name) for name in list(repo.instances)},
        "DAG": {"Root": record.root, "Nodes": {version.uuid: _version_json(repo, version) for version in repo.dag}},
        "MutationID": following,
        "SavedMutationID": saved,
        "Created": record.created,
        "Updated": record.updated,
    }

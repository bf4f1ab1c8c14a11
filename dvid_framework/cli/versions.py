"""`dvid versions` and `dvid log`: what there is and what was done."""

from __future__ import annotations

from typing import Any

from cyclopts import App

from dvid_framework.cli.repos import nodes_of, repo_of
from dvid_framework.cli.service import Where, open_service, path_of
from dvid_framework.cli.showing import AsJson, Several, say, show

__all__ = ["log", "versions"]

versions = App(name="versions", help="List the versions of a repo, the oldest first.")
log = App(name="log", help="Show the log of a version or of its repo, or add to it.")


def _row(node: dict[str, Any], by_id: dict[int, str]) -> dict[str, Any]:
    return {
        "version": node["UUID"],
        "branch": node["Branch"] or "master",
        "state": "committed" if node["Locked"] else "open",
        "parents": ", ".join(by_id.get(parent, "?")[:8] for parent in node["Parents"]),
        "created": node["Created"][:19],
        "note": node["Note"],
    }


@versions.default
def list_versions(uuid: str, *, branch: str = "", where: Where | None = None, json: AsJson = False) -> None:
    """List the versions of the repo that holds a version, the oldest first.

    Args:
        uuid: any version of the repo: a UUID or its start, with `:BRANCH` and `~N` behind it, or `:BRANCH`.
        branch: only this branch and what it came from.
        where: server or folder.
        json: print a JSON list.
    """
    with open_service(where or Where()) as service:
        nodes = nodes_of(repo_of(service, uuid))
        by_id = {node["VersionID"]: node["UUID"] for node in nodes}
        if branch:
            wanted = set(service.get(path_of("repo", uuid, "branch-versions", branch)))
            nodes = [node for node in nodes if node["UUID"] in wanted]
    show([_row(node, by_id) for node in nodes], as_json=json, whole=nodes)


@log.default
def show_log(
    uuid: str,
    *,
    repo: bool = False,
    add: Several = (),
    where: Where | None = None,
    json: AsJson = False,
) -> None:
    """Show the log of a version, or add lines to it.

    Args:
        uuid: the version.
        repo: the log of the whole repo.
        add: a line to add; may be given several times.
        where: server or folder.
        json: print a JSON list of lines.
    """
    address = path_of("repo" if repo else "node", uuid, "log")
    with open_service(where or Where()) as service:
        if add:
            service.post(address, {"log": list(add)})
        lines = service.get(address)["log"]
    if json:
        show([], as_json=True, whole=lines)
    else:
        for line in lines:
            say(line)

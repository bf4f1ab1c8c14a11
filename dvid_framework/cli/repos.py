"""`dvid repos`: which repos there are, and new ones."""

from __future__ import annotations

from typing import Any

import msgspec
from cyclopts import App

from dvid_framework.cli.service import Service, Where, open_service, path_of
from dvid_framework.cli.showing import AsJson, say, show

__all__ = ["app", "nodes_of", "repo_of"]

app = App(name="repos", help="List the repos, or make one.")


def repo_of(service: Service, uuid: str) -> dict[str, Any]:
    """Return the repo that holds a version, as the API shows it."""
    repo: dict[str, Any] = service.get(path_of("repo", uuid, "info"))
    return repo


def nodes_of(repo: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the versions of a repo, the oldest first."""
    return sorted(repo["DAG"]["Nodes"].values(), key=lambda node: int(node["VersionID"]))


@app.default
def list_repos(*, where: Where | None = None, json: AsJson = False) -> None:
    """List the repos.

    Args:
        where: server or folder.
        json: print a JSON object of root UUID and repo.
    """
    with open_service(where or Where()) as service:
        found = service.get(path_of("repos", "info"))
    rows = [
        {
            "root": root,
            "alias": repo["Alias"],
            "versions": len(repo["DAG"]["Nodes"]),
            "instances": len(repo["DataInstances"]),
            "updated": repo["Updated"][:19],
            "description": repo["Description"],
        }
        for root, repo in found.items()
    ]
    show(rows, as_json=json, whole=found)


@app.command(name="new")
def new_repo(
    alias: str,
    *,
    description: str = "",
    root: str = "",
    passcode: str = "",
    where: Where | None = None,
    json: AsJson = False,
) -> None:
    """Make a repo, and print the UUID of its first version.

    Args:
        alias: its name.
        description: what it is for.
        root: the UUID of its first version; a random one by default.
        passcode: what a deletion will have to show.
        where: server or folder.
        json: print the answer as JSON.
    """
    given = {"alias": alias, "description": description, "root": root, "passcode": passcode}
    with open_service(where or Where()) as service:
        made = service.post(path_of("repos"), {key: value for key, value in given.items() if value})
    say(msgspec.json.encode(made).decode() if json else made["root"])

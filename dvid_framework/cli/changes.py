"""`dvid commit`, `newversion`, `branch` and `merge`: how versions come about."""

from __future__ import annotations

from typing import Any

import msgspec
from cyclopts import App

from dvid_framework.cli.service import Where, open_service, path_of
from dvid_framework.cli.showing import AsJson, Several, say
from dvid_framework.errors import BadRequest

__all__ = ["branch", "commit", "merge", "newversion"]

commit = App(name="commit", help="Commit a version: it never changes again, and can have children.")
newversion = App(name="newversion", help="Make a child of a committed version, on the same branch.")
branch = App(name="branch", help="Make a child of a committed version, on a new branch.")
merge = App(name="merge", help="Merge committed versions into a new one.")


def _tell(answer: dict[str, Any], key: str, *, as_json: bool) -> None:
    say(msgspec.json.encode(answer).decode() if as_json else answer[key])


@commit.default
def commit_version(
    uuid: str, *, note: str = "", log: Several = (), where: Where | None = None, json: AsJson = False
) -> None:
    """Commit an open version, and print its UUID.

    Args:
        uuid: the version.
        note: what it is; its note stays without one.
        log: a line for its log; may be given several times.
        where: server or folder.
        json: print the answer as JSON.
    """
    with open_service(where or Where()) as service:
        answer = service.post(path_of("node", uuid, "commit"), {"note": note, "log": list(log)})
    _tell(answer, "committed", as_json=json)


@newversion.default
def make_version(uuid: str, *, note: str = "", where: Where | None = None, json: AsJson = False) -> None:
    """Make a child of a committed version, on the same branch, and print its UUID.

    Args:
        uuid: the version.
        note: what the child is for.
        where: server or folder.
        json: print the answer as JSON.
    """
    with open_service(where or Where()) as service:
        _tell(service.post(path_of("node", uuid, "newversion"), {"note": note}), "child", as_json=json)


@branch.default
def make_branch(uuid: str, name: str, *, note: str = "", where: Where | None = None, json: AsJson = False) -> None:
    """Begin a branch at a committed version, and print the UUID of its first version.

    Args:
        uuid: the version.
        name: of the branch, new in its repo.
        note: what the branch is for.
        where: server or folder.
        json: print the answer as JSON.
    """
    with open_service(where or Where()) as service:
        _tell(service.post(path_of("node", uuid, "branch"), {"branch": name, "note": note}), "child", as_json=json)


@merge.default
def merge_versions(
    *parents: str, note: str = "", resolve: Several = (), where: Where | None = None, json: AsJson = False
) -> None:
    """Merge committed versions into a new open one on master, and print its UUID.

    Args:
        parents: two versions or more, in order of priority.
        note: what the merged version is.
        resolve: an instance whose conflicts are settled in favour of the first parent; may be given several times.
        where: server or folder.
        json: print the answer as JSON.
    """
    if len(parents) < 2:
        raise BadRequest("a merge needs two versions or more")
    body: dict[str, Any] = {"parents": list(parents), "note": note}
    action = "resolve" if resolve else "merge"
    body |= {"data": list(resolve)} if resolve else {"mergeType": "conflict-free"}
    with open_service(where or Where()) as service:
        _tell(service.post(path_of("repo", parents[0], action), body), "child", as_json=json)

"""`dvid delete` and `dvid rename`: of repos, branches and instances, for administrators."""

from __future__ import annotations

from typing import Any

from cyclopts import App

from dvid_framework.cli.jobs import wait_for
from dvid_framework.cli.repos import repo_of
from dvid_framework.cli.service import Service, Where, open_service, path_of
from dvid_framework.cli.showing import AsJson, Yes, confirm, say, show

__all__ = ["delete", "rename"]

delete = App(name="delete", help="Delete a repo, a branch or an instance for good; its name confirms it.")
rename = App(name="rename", help="Give a repo, a branch or an instance another name.")


def _delete(service: Service, path: str, name: str, passcode: str, *, json: bool) -> None:
    """Delete, and show how its space is freed."""
    body = {"confirm": name} | ({"passcode": passcode} if passcode else {})
    job = wait_for(service, service.get(path_of("jobs", str(service.delete(path, body)["job"]))))
    if json:
        show([], as_json=True, whole=job)
    else:
        say(f"deleted {name}")


@delete.command(name="repo")
def delete_repo(
    root: str, *, yes: Yes = "", passcode: str = "", where: Where | None = None, json: AsJson = False
) -> None:
    """Delete a repo with all its versions and data.

    Args:
        root: UUID of its root, or the start of it.
        yes: its alias, or the whole UUID of its root where it has none, in place of the question.
        passcode: of the repo, if it has one.
        where: server or folder.
        json: print the job that freed the space as JSON.
    """
    with open_service(where or Where()) as service:
        repo: dict[str, Any] = repo_of(service, root)
        name = repo["Root"] if yes == repo["Root"] else repo["Alias"] or repo["Root"]
        confirm(f"the repo {repo['Root']} with all its data", name, yes)
        _delete(service, path_of("repo", root), name, passcode, json=json)


@delete.command(name="branch")
def delete_branch(
    uuid: str, branch: str, *, yes: Yes = "", passcode: str = "", where: Where | None = None, json: AsJson = False
) -> None:
    """Delete the versions of a branch that it shares with no other branch.

    Args:
        uuid: any version of the repo that stays.
        branch: its name.
        yes: its name again, in place of the question.
        passcode: of the repo, if it has one.
        where: server or folder.
        json: print the job that freed the space as JSON.
    """
    confirm(f"the branch {branch} with its data", branch, yes)
    with open_service(where or Where()) as service:
        _delete(service, path_of("repo", uuid, "branch", branch), branch, passcode, json=json)


@delete.command(name="instance")
def delete_instance(
    uuid: str, name: str, *, yes: Yes = "", passcode: str = "", where: Where | None = None, json: AsJson = False
) -> None:
    """Delete a data instance with its data at all versions.

    Args:
        uuid: any version of the repo.
        name: of the instance.
        yes: its name again, in place of the question.
        passcode: of the repo, if it has one.
        where: server or folder.
        json: print the job that freed the space as JSON.
    """
    confirm(f"the instance {name} with its data at all versions", name, yes)
    with open_service(where or Where()) as service:
        _delete(service, path_of("repo", uuid, "instance", name), name, passcode, json=json)


def _rename(where: Where | None, path: str, old: str, new: str, passcode: str) -> None:
    body = {"name": new, "confirm": old} | ({"passcode": passcode} if passcode else {})
    with open_service(where or Where()) as service:
        service.post(path, body)
    say(f"renamed {old} to {new}")


@rename.command(name="repo")
def rename_repo(root: str, alias: str, *, passcode: str = "", where: Where | None = None) -> None:
    """Give a repo another alias.

    Args:
        root: any version of the repo.
        alias: the new one.
        passcode: of the repo, if it has one.
        where: server or folder.
    """
    with open_service(where or Where()) as service:
        repo = repo_of(service, root)
        old = repo["Alias"] or repo["Root"]
        body = {"name": alias, "confirm": old} | ({"passcode": passcode} if passcode else {})
        service.post(path_of("repo", root, "rename"), body)
    say(f"renamed {old} to {alias}")


@rename.command(name="branch")
def rename_branch(uuid: str, old: str, new: str, *, passcode: str = "", where: Where | None = None) -> None:
    """Give a branch another name.

    Args:
        uuid: any version of the repo.
        old: the branch.
        new: its new name.
        passcode: of the repo, if it has one.
        where: server or folder.
    """
    _rename(where, path_of("repo", uuid, "branch", old, "rename"), old, new, passcode)


@rename.command(name="instance")
def rename_instance(uuid: str, old: str, new: str, *, passcode: str = "", where: Where | None = None) -> None:
    """Give a data instance another name.

    Args:
        uuid: any version of the repo.
        old: the instance.
        new: its new name.
        passcode: of the repo, if it has one.
        where: server or folder.
    """
    _rename(where, path_of("repo", uuid, "instance", old, "rename"), old, new, passcode)

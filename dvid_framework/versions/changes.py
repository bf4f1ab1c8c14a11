"""The changes of a repo's DAG that the API offers: commit, newversion, branch, tag, merge: checks, then one unit."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from dvid_framework.errors import BadRequest, Locked
from dvid_framework.versions.dag import MASTER
from dvid_framework.versions.ids import log_time
from dvid_framework.versions.record import VersionRecord
from dvid_framework.versions.repo import Repo
from dvid_framework.versions.repos import Repos

__all__ = ["add_branch", "add_child", "add_merge", "add_tag", "check_parents", "commit_version", "log_lines"]


def log_lines(lines: Sequence[str]) -> list[str]:
    """Return log lines with the time and two spaces before each."""
    return [f"{log_time()}  {line}" for line in lines]


def commit_version(
    repos: Repos,
    repo: Repo,
    version: VersionRecord,
    note: str = "",
    log: Sequence[str] = (),
    user: str = "",
    sync: Callable[[], None] | None = None,
    drain: Callable[[], None] | None = None,
) -> None:
    """Lock a version for ever, once the mutations in flight are done.

    Args:
        repos: all repos.
        repo: the version's repo.
        version: an open version.
        note: its new note; empty keeps the old one.
        log: lines to add to its log.
        user: who asked for it.
        sync: makes durable what was written to stores other than that of the metadata.
        drain: waits until followers have taken in what was written.

    Raises:
        Locked: it is committed already.
        Unavailable: mutations in flight did not end in time, or followers are behind.
    """
    with repos.gates.closed(version.id):
        if drain is not None:
            drain()
        _lock_version(repos, repo, version, note, log, user, sync)


def _lock_version(
    repos: Repos,
    repo: Repo,
    version: VersionRecord,
    note: str,
    log: Sequence[str],
    user: str,
    sync: Callable[[], None] | None,
) -> None:
    with repos.lock:
        if sync is not None:
            sync()
        now = repo.dag[version.id]
        if now.locked:
            raise Locked(f"version {now.uuid} is committed already")
        entry = {"Action": "commit", "UUID": now.uuid, "Note": note, "Log": list(log)}
        changes = {"locked": True, "note": note or now.note, "log": now.log + log_lines(log)}
        repos.update_version(repo, now.id, entry, user, **changes)


def _need_locked(version: VersionRecord) -> None:
    if not version.locked:
        raise BadRequest(f"version {version.uuid} is open; commit it before it gets a child")


def add_child(
    repos: Repos, repo: Repo, parent: VersionRecord, *, note: str = "", uuid: str | None = None, user: str = ""
) -> VersionRecord:
    """Make a new open version on its parent's branch.

    Raises:
        BadRequest: the parent is open, has a child on its branch already, or the UUID is malformed or in use.
    """
    with repos.lock:
        parent = repo.dag[parent.id]
        _need_locked(parent)
        if repo.dag.branch_child(parent.id, parent.branch) is not None:
            raise BadRequest(
                f"version {parent.uuid} has a child on branch {parent.branch or MASTER!r} already; make a branch"
            )

        def entry(child: str) -> dict[str, str]:
            return {"Action": "newversion", "Parent": parent.uuid, "Child": child, "Note": note}

        return repos.add_version(repo, [parent.id], branch=parent.branch, note=note, uuid=uuid, entry=entry, user=user)


def add_branch(
    repos: Repos,
    repo: Repo,
    parent: VersionRecord,
    branch: str,
    *,
    note: str = "",
    uuid: str | None = None,
    user: str = "",
) -> VersionRecord:
    """Make a new open version that begins a branch; the parent's own branch name acts as `add_child`.

    Raises:
        BadRequest: the parent is open, the name is empty, master or used in the repo, or the UUID is bad.
    """
    if branch and branch == parent.branch:
        return add_child(repos, repo, parent, note=note, uuid=uuid, user=user)
    if branch in ("", MASTER):
        raise BadRequest("a branch needs a name other than master")
    with repos.lock:
        parent = repo.dag[parent.id]
        _need_locked(parent)
        if branch in repo.dag.branches():
            raise BadRequest(f"the repo has a branch {branch!r} already")

        def entry(child: str) -> dict[str, str]:
            return {"Action": "branch", "Parent": parent.uuid, "Child": child, "Branch": branch, "Note": note}

        return repos.add_version(repo, [parent.id], branch=branch, note=note, uuid=uuid, entry=entry, user=user)


def add_tag(repos: Repos, repo: Repo, parent: VersionRecord, tag: str, note: str = "", user: str = "") -> VersionRecord:
    """Make a locked child, on a branch of its own, whose UUID is the tag.

    Its note is the original's text for tags, which clients know; the note given stands in the mutation log.

    Raises:
        BadRequest: the parent is open, or the tag is empty, in use or has a colon or a slash.
    """
    if not tag or ":" in tag or "/" in tag or "~" in tag:
        raise BadRequest("a tag is a text without colon, slash and ~")
    with repos.lock:
        parent = repo.dag[parent.id]
        _need_locked(parent)
        branch = f"tag-{tag}"
        if branch in repo.dag.branches():
            raise BadRequest(f"the repo has a branch {branch!r} already")
        text = f'Tag of version {parent.uuid} with "{tag}"'

        def entry(child: str) -> dict[str, str]:
            uuid = parent.uuid
            return {
                "Action": "tag",
                "Parent": uuid,
                "Child": child,
                "Branch": branch,
                "Tag": tag,
                "Note": text,
                "Given": note,
            }

        return repos.add_version(
            repo, [parent.id], branch=branch, note=text, uuid=tag, entry=entry, tag=True, user=user
        )


def check_parents(repo: Repo, parents: Sequence[tuple[Repo, VersionRecord]]) -> list[int]:
    """Return the ids of the parents of a merge.

    Raises:
        BadRequest: fewer than two, one twice, one of another repo, or one that is open.
    """
    if len(parents) < 2:
        raise BadRequest("a merge needs at least two parents")
    for owner, version in parents:
        if owner is not repo:
            raise BadRequest(f"version {version.uuid} is of another repo")
        if not repo.dag[version.id].locked:
            raise BadRequest(f"version {version.uuid} is open; only committed versions can be merged")
    ids = [version.id for _, version in parents]
    if len(set(ids)) < len(ids):
        raise BadRequest("a parent is named twice")
    return ids


def add_merge(
    repos: Repos, repo: Repo, parents: Sequence[tuple[Repo, VersionRecord]], note: str = "", user: str = ""
) -> VersionRecord:
    """Make an open version on master with several parents; what a key reads as is decided when it is read.

    Raises:
        BadRequest: see `check_parents`.
    """
    with repos.lock:
        ids = check_parents(repo, parents)
        uuids = [version.uuid for _, version in parents]

        def entry(child: str) -> dict[str, object]:
            return {"Action": "merge", "Parents": uuids, "Child": child, "Note": note}

        return repos.add_version(repo, ids, note=note, entry=entry, user=user)

"""Renaming and deleting repos, branches and instances: checks, then one unit after which the old is as if it never was.

Records of what was deleted stay, marked, for the mutation log still names them; names and UUIDs are free at once. The
data is removed afterwards, by whoever gets the ids in `Removed`.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from typing import Any, NamedTuple

import msgspec

from dvid_framework.errors import BadRequest, Forbidden
from dvid_framework.storage.batch import Batch
from dvid_framework.versions.changes import log_lines
from dvid_framework.versions.dag import MASTER
from dvid_framework.versions.ids import now_rfc3339
from dvid_framework.versions.record import InstanceRecord, VersionRecord
from dvid_framework.versions.repo import Repo
from dvid_framework.versions.repos import Repos

__all__ = [
    "Removed",
    "check_passcode",
    "delete_branch",
    "delete_instance",
    "delete_repo",
    "rename_branch",
    "rename_instance",
    "rename_repo",
]


class Removed(NamedTuple):
    """What was deleted.

    Attributes:
        instances: ids and stores of the instances whose data is to be removed.
        versions: ids of the versions of which it is; none for all.
        uuids: of the deleted versions.
    """

    instances: list[tuple[int, str]]
    versions: list[int]
    uuids: list[str]


Prepare = Callable[[Removed, Batch], Any]
"""Adds to the unit of a deletion what will remove the data."""


def check_passcode(repo: Repo, passcode: str) -> None:
    """Refuse who does not know the passcode of a repo that has one.

    Raises:
        Forbidden: it is missing or wrong.
    """
    if not hmac.compare_digest(repo.record.passcode.encode(), passcode.encode()) and repo.record.passcode:
        raise Forbidden("the repo has a passcode, which is missing or wrong")


def _confirm(given: str, names: Iterable[str], what: str) -> None:
    if not given or given not in names:
        raise BadRequest(f'to be sure, give the name of the {what} that is meant as "confirm"')


def _logged(repo: Repo, text: str) -> Any:
    """Return the repo's record with one more line in its log."""
    return msgspec.structs.replace(repo.record, log=repo.record.log + log_lines([text]), updated=now_rfc3339())


def _of(repo: Repo, records: Iterable[InstanceRecord]) -> list[tuple[int, str]]:
    del repo
    return [(record.id, record.store) for record in records]


# -- renaming


def rename_repo(repos: Repos, repo: Repo, alias: str, confirm: str, user: str = "") -> None:
    """Give a repo another alias.

    Raises:
        BadRequest: `confirm` is neither its alias nor the UUID of its root.
    """
    with repos.lock:
        before = repo.record.alias
        _confirm(confirm, (before, repo.root), "repo (its alias, or the UUID of its root)")
        entry = {"Action": "renamerepo", "UUID": repo.root, "Alias": before, "NewAlias": alias}
        record = msgspec.structs.replace(_logged(repo, f'Renamed repo "{before}" to "{alias}"'), alias=alias)
        repos.write([entry], repo=record, user=user)


def rename_branch(repos: Repos, repo: Repo, branch: str, name: str, confirm: str, user: str = "") -> None:
    """Give a branch another name.

    Raises:
        BadRequest: there is no such branch, it is master, or the name is empty, master or used.
    """
    with repos.lock:
        repo.dag.head(branch)
        _confirm(confirm, (branch,), "branch")
        if branch in ("", MASTER) or name in ("", MASTER) or ":" in name or "~" in name or "/" in name:
            raise BadRequest("master can't be renamed, and no branch be named master, or with a colon, a slash or a ~")
        if name in repo.dag.branches():
            raise BadRequest(f"the repo has a branch {name!r} already")
        versions = [version for version in repo.dag if version.branch == branch]
        changed = tuple(msgspec.structs.replace(version, branch=name) for version in versions)
        entry = {"Action": "renamebranch", "Branch": branch, "NewBranch": name}
        repos.write([entry], repo=_logged(repo, f'Renamed branch "{branch}" to "{name}"'), versions=changed, user=user)


def rename_instance(repos: Repos, repo: Repo, name: str, new: str, confirm: str, user: str = "") -> None:
    """Give an instance another name; whatever follows it does so on.

    Raises:
        BadRequest: there is no such instance, or the new name is used.
    """
    with repos.lock:
        record = repo.instance(name)
        _confirm(confirm, (name,), "instance")
        if new in repo.instances:
            raise BadRequest(f"the repo has an instance named {new!r} already")
        changed = msgspec.structs.replace(record, name=new)
        entry = {"Action": "renameinstance", "Dataname": name, "NewDataname": new, "DataUUID": record.data_uuid}
        now = _logged(repo, f'Renamed data instance "{name}" to "{new}"')
        repos.write([entry], repo=now, instances=(changed,), user=user)


# -- deleting


def delete_repo(repos: Repos, repo: Repo, confirm: str, prepare: Prepare, user: str = "") -> Removed:
    """Delete a repo with all its versions and data.

    Raises:
        BadRequest: `confirm` is neither its alias nor the UUID of its root.
        Unavailable: mutations in flight did not end in time.
    """
    _confirm(confirm, (repo.record.alias, repo.root), "repo (its alias, or the UUID of its root)")
    with ExitStack() as gates:
        for record in list(repo.instances.values()):
            gates.enter_context(repos.gates.closed(-record.id))
        gates.enter_context(repos.lock)
        records = list(repo.instances.values())
        removed, batch = Removed(_of(repo, records), [], [version.uuid for version in repo.dag]), Batch()
        prepare(removed, batch)
        entry = {"Action": "deleterepo", "UUID": repo.root, "Alias": repo.record.alias}
        record = msgspec.structs.replace(_logged(repo, "Delete repo"), deleted=True)
        repos.write([entry], repo=record, batch=batch, user=user)
        return removed


def _tail(repo: Repo, branch: str) -> list[VersionRecord]:
    """Return the versions of a branch of which no other branch descends, the youngest first."""
    doomed: set[int] = set()
    for version in sorted(repo.dag, key=lambda version: -version.id):  # children have larger ids
        children = repo.dag.children(version.id)
        if version.branch == branch and version.parents and doomed.issuperset(children):
            doomed.add(version.id)
    return [repo.dag[number] for number in sorted(doomed, reverse=True)]


def delete_branch(
    repos: Repos,
    repo: Repo,
    branch: str,
    confirm: str,
    prepare: Prepare,
    protected: Iterable[str] = (),
    user: str = "",
) -> Removed:
    """Delete the versions of a branch that it shares with no other branch, with what was written at them.

    Args:
        repos: all repos.
        repo: the repo.
        branch: its name.
        confirm: the same.
        prepare: see `Prepare`.
        protected: UUIDs that must stay.
        user: who asked for it.

    Raises:
        BadRequest: there is no such branch, it is master, or others descend from all of it.
        Unavailable: mutations in flight did not end in time.
    """
    repo.dag.head(branch)
    _confirm(confirm, (branch,), "branch")
    if branch in ("", MASTER):
        raise BadRequest("master can't be deleted; a repo can be, with all its branches")
    with ExitStack() as gates:
        for version in _tail(repo, branch):
            gates.enter_context(repos.gates.closed(version.id))
        for record in list(repo.instances.values()):  # for followers, which pass no gate of a version
            gates.enter_context(repos.gates.closed(-record.id))
        gates.enter_context(repos.lock)
        doomed = _tail(repo, branch)
        _check_doomed(doomed, branch, protected)
        uuids = [version.uuid for version in doomed]
        versioned = [record for record in repo.instances.values() if record.versioned]
        removed, batch = Removed(_of(repo, versioned), [version.id for version in doomed], uuids), Batch()
        prepare(removed, batch)
        entry = {"Action": "deletebranch", "Branch": branch, "Versions": uuids}
        gone = tuple(msgspec.structs.replace(version, deleted=True) for version in doomed)
        text = f'Delete branch "{branch}": {len(doomed)} versions'
        repos.write([entry], repo=_logged(repo, text), versions=gone, batch=batch, user=user)
        return removed


def _check_doomed(doomed: Sequence[VersionRecord], branch: str, protected: Iterable[str]) -> None:
    if not doomed:
        raise BadRequest(f"other branches descend from all versions of branch {branch!r}, so none can be deleted")
    kept = {version.uuid for version in doomed} & set(protected)
    if kept:
        raise BadRequest(f"version {min(kept)} is public by the configuration and can't be deleted")


def delete_instance(repos: Repos, repo: Repo, name: str, confirm: str, prepare: Prepare, user: str = "") -> Removed:
    """Delete an instance with its data at all versions.

    Raises:
        BadRequest: there is no such instance.
        Unavailable: mutations in flight did not end in time.
    """
    record = repo.instance(name)
    _confirm(confirm, (name,), "instance")
    with repos.gates.closed(-record.id), repos.lock:
        record = repo.instance_by_id(record.id)
        removed, batch = Removed(_of(repo, [record]), [], []), Batch()
        prepare(removed, batch)
        entry = {"Action": "deleteinstance", "Dataname": record.name, "DataUUID": record.data_uuid}
        gone = msgspec.structs.replace(record, deleted=True)
        now = _logged(repo, f'Delete data instance "{record.name}" of type "{record.type_name}"')
        repos.write([entry], repo=now, instances=(gone,), batch=batch, user=user)
        return removed

"""Routes of repos."""

from __future__ import annotations

import asyncio
import time

import msgspec
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from dvid_framework.errors import BadRequest
from dvid_framework.http.access.guard import visible_versions
from dvid_framework.http.answers import Answer, empty, json_answer
from dvid_framework.http.auth import need_admin
from dvid_framework.http.bodies import LOG_BYTES, LogBody, fold_keys, texts_of
from dvid_framework.http.call import CoreRequest
from dvid_framework.http.repo_json import repo_json
from dvid_framework.http.routing import get, post
from dvid_framework.versions.changes import add_merge, log_lines
from dvid_framework.versions.merge import add_resolved_merge
from dvid_framework.versions.record import VersionRecord
from dvid_framework.versions.repo import Repo

__all__ = ["ROUTES"]


class _MergeBody(msgspec.Struct, rename="lower"):
    mergetype: str = ""
    parents: list[str] = []
    note: str = ""


class _ResolveBody(msgspec.Struct):
    data: list[str] = []
    parents: list[str] = []
    note: str = ""


@post("/api/repos", mutates=False)
async def new_repo(request: CoreRequest) -> Answer:
    """Make a repo with its root version.

    Body: a JSON object with any of `alias`, `description`, `root` (the UUID to use) and `passcode`, all texts. Needs
    admin where an admin token is configured. Answers `{"root": UUID}`.
    """
    need_admin(request.call)
    config = texts_of(await request.read_config(), ("alias", "description", "root", "passcode"))
    repo = await request.run(request.server.repos.create, **config, user=request.who)
    return json_answer({"root": repo.root})


@get("/api/repos/info")
async def all_repos(request: CoreRequest) -> Answer:
    """Return `{root UUID: repo}` for all repos, each as `GET /api/repo/UUID/info` gives it.

    Who may not read a repo sees its public versions, and nothing of a repo without any.
    """
    shown = {}
    for repo in request.server.repos:
        seen = visible_versions(request.call, repo)
        if seen is None or repo.dag.root.id in seen:
            shown[repo.root] = repo_json(request.server, repo, seen)
    return json_answer(shown)


@get("/api/repo/{uuid:str}", itself=False)
async def repo_exists(request: CoreRequest, uuid: FromPath[str]) -> Answer:
    """Answer 200 if the version exists, else 400. Only HEAD is served."""
    del request, uuid
    return empty()


@get("/api/repo/{uuid:str}/info")
async def repo_info(request: CoreRequest, uuid: FromPath[str]) -> Answer:
    """Return the repo that holds a version: alias, log, data instances, and the DAG of all versions."""
    del uuid
    seen = visible_versions(request.call, request.repo)
    return json_answer(repo_json(request.server, request.repo, seen))


@post("/api/repo/{uuid:str}/info", mutates=False)
async def change_repo(request: CoreRequest, uuid: FromPath[str]) -> Answer:
    """Change `alias` and `description`: a JSON object of texts."""
    del uuid
    changes = texts_of(await request.read_config(), ("alias", "description"))
    if changes:
        entry = {"Action": "repoinfo", **changes}
        await request.run(request.server.repos.update_repo, request.repo, entry, request.who, **changes)
    return empty()


@get("/api/repo/{uuid:str}/log")
async def repo_log(request: CoreRequest, uuid: FromPath[str]) -> Answer:
    """Return the repo's log: `{"log": [...]}`, each line with its time before it."""
    del uuid
    hidden = visible_versions(request.call, request.repo) is not None
    return json_answer({"log": [] if hidden else request.repo.record.log})


@post("/api/repo/{uuid:str}/log", mutates=False)
async def add_repo_log(request: CoreRequest, uuid: FromPath[str]) -> Answer:
    """Add lines to the repo's log: `{"log": ["...", ...]}`."""
    del uuid
    body: LogBody = await request.read_json(LogBody, LOG_BYTES)
    repos, repo = request.server.repos, request.repo

    def add() -> None:
        with repos.lock:
            lines = repo.record.log + log_lines(body.log)
            repos.update_repo(repo, {"Action": "repolog", "Log": body.log}, request.who, log=lines)

    await request.run(add)
    return empty()


@get("/api/repo/{uuid:str}/branch-versions/{branch:str}")
async def branch_versions(request: CoreRequest, uuid: FromPath[str], branch: FromPath[str]) -> Answer:
    """Return the UUIDs of a branch, the newest first, to the root of the repo; `[]` for an unknown branch."""
    del uuid
    seen = visible_versions(request.call, request.repo)
    versions = request.repo.dag.branch_versions(branch)
    return json_answer([version.uuid for version in versions if seen is None or version.id in seen])


@post("/api/repo/{uuid:str}/instance", mutates=False)
async def new_instance(request: CoreRequest, uuid: FromPath[str]) -> Answer:
    """Make a data instance.

    Body: a JSON object with `typename` and `dataname`, and any of `versioned`, `Compression`, `Checksum`, `Tags` and
    the datatype's own settings, all texts; see the type's help. The version must be open.
    """
    del uuid
    version, server = request.version, request.server
    if version.locked and not (request.call.admin or server.full_write):
        raise BadRequest(f"version {version.uuid} is committed; make the instance at an open version")
    config = await request.read_config()
    instance = await request.run(server.instances.create, request.repo, version, config, request.who)
    name, kind = instance.name, instance.datatype.name
    return json_answer({"result": f"Added {name} [{kind}] to node {version.uuid}"})


def _parents(request: CoreRequest, references: list[str]) -> list[tuple[Repo, VersionRecord]]:
    return [request.server.repos.find(reference) for reference in references]


async def _until_ready(request: CoreRequest, merged: VersionRecord) -> None:
    """Wait for the instances that derive something for a merge; for long ones they go on after the answer."""
    deadline = time.monotonic() + request.server.limits.follow_seconds
    while not request.server.version_hooks.is_ready(merged.id) and time.monotonic() < deadline:  # noqa: ASYNC110
        await asyncio.sleep(0.01)


@post("/api/repo/{uuid:str}/merge", mutates=False)
async def merge(request: CoreRequest, uuid: FromPath[str]) -> Answer:
    """Merge committed versions into a new open version on master.

    Body: `{"mergeType": "conflict-free", "parents": [UUID, UUID, ...], "note": "..."}`. What a key reads as is decided
    when it is read: a change on one side wins; a key changed on several sides is a conflict until it is written anew.
    409 if several sides changed an instance whose type can't follow that, such as a labelmap.
    Answers `{"child": UUID}`.
    """
    del uuid
    body: _MergeBody = fold_keys(await request.read_body(1 << 20), _MergeBody)
    if body.mergetype != "conflict-free":
        raise BadRequest(f'"mergeType" must be "conflict-free", and not {body.mergetype!r}')
    parents = _parents(request, body.parents)
    await request.run(request.server.instances.check_version_merge, request.repo, parents)
    child = await request.run(add_merge, request.server.repos, request.repo, parents, body.note, request.who)
    await _until_ready(request, child)
    return json_answer({"child": child.uuid})


@post("/api/repo/{uuid:str}/resolve", mutates=False)
async def resolve(request: CoreRequest, uuid: FromPath[str]) -> Answer:
    """Merge committed versions, and settle each conflict in favour of the first parent.

    Body: `{"data": [NAME, ...], "parents": [UUID, UUID, ...], "note": "..."}`, parents in order of priority. A change
    on one side only is kept, whichever side it is. Answers `{"child": UUID}`.
    """
    del uuid
    body: _ResolveBody = fold_keys(await request.read_body(1 << 20), _ResolveBody)
    if not body.data:
        raise BadRequest('"data" must name at least one instance')
    server, repo = request.server, request.repo
    instances = [(record, server.stores.log(record.store)) for record in map(repo.instance, body.data)]
    parents = _parents(request, body.parents)
    await request.run(server.instances.check_version_merge, repo, parents)
    child = await request.run(add_resolved_merge, server.repos, repo, instances, parents, body.note, request.who)
    await _until_ready(request, child)
    return json_answer({"child": child.uuid})


ROUTES: list[HTTPRouteHandler] = [
    new_repo,
    all_repos,
    repo_exists,
    repo_info,
    change_repo,
    repo_log,
    add_repo_log,
    branch_versions,
    new_instance,
    merge,
    resolve,
]

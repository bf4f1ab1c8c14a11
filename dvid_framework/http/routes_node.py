"""Routes of versions (nodes)."""

from __future__ import annotations

import asyncio

import msgspec
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from dvid_framework.errors import BadRequest
from dvid_framework.http.answers import Answer, empty, json_answer
from dvid_framework.http.bodies import LOG_BYTES, LogBody, NoteBody, fold_keys
from dvid_framework.http.call import CoreRequest
from dvid_framework.http.routing import get, post
from dvid_framework.versions.changes import add_branch, add_child, add_tag, commit_version, log_lines

__all__ = ["ROUTES"]


class _CommitBody(msgspec.Struct):
    note: str = ""
    log: list[str] = []


class _ChildBody(msgspec.Struct):
    note: str = ""
    uuid: str | None = None


class _BranchBody(_ChildBody):
    branch: str = ""


class _TagBody(msgspec.Struct):
    tag: str = ""
    note: str = ""


@get("/api/node/{uuid:str}/note")
async def note(request: CoreRequest, uuid: FromPath[str]) -> Answer:
    """Return the version's note: `{"note": "..."}`."""
    del uuid
    return json_answer({"note": request.version.note})


@post("/api/node/{uuid:str}/note")
async def set_note(request: CoreRequest, uuid: FromPath[str]) -> Answer:
    """Set the note of an open version: `{"note": "..."}`."""
    del uuid
    body: NoteBody = await request.read_json(NoteBody, LOG_BYTES)
    entry = {"Action": "nodenote", "UUID": request.version.uuid, "Note": body.note}
    repos = request.server.repos
    await request.run(repos.update_version, request.repo, request.version.id, entry, request.who, note=body.note)
    return empty()


@get("/api/node/{uuid:str}/log")
async def log(request: CoreRequest, uuid: FromPath[str]) -> Answer:
    """Return the version's log: `{"log": [...]}`, each line with its time before it."""
    del uuid
    return json_answer({"log": request.version.log})


@post("/api/node/{uuid:str}/log")
async def add_log(request: CoreRequest, uuid: FromPath[str]) -> Answer:
    """Add lines to the log of an open version: `{"log": ["...", ...]}`."""
    del uuid
    body: LogBody = await request.read_json(LogBody, LOG_BYTES)
    repos, repo, number = request.server.repos, request.repo, request.version.id

    def add() -> None:
        with repos.lock:
            version = repo.dag[number]
            entry = {"Action": "nodelog", "UUID": version.uuid, "Log": body.log}
            repos.update_version(repo, number, entry, request.who, log=version.log + log_lines(body.log))

    await request.run(add)
    return empty()


@get("/api/node/{uuid:str}/status")
async def status(request: CoreRequest, uuid: FromPath[str]) -> Answer:
    """Tell whether the version is committed: `{"Locked": true}`."""
    del uuid
    return json_answer({"Locked": request.version.locked})


@get("/api/node/{uuid:str}/commit")
async def commit_status(request: CoreRequest, uuid: FromPath[str]) -> Answer:
    """Tell whether the version is committed: `{"Locked": true}`."""
    del uuid
    return json_answer({"Locked": request.version.locked})


@post("/api/node/{uuid:str}/commit")
async def commit(request: CoreRequest, uuid: FromPath[str]) -> Answer:
    """Commit a version: it is locked for ever, and can have children.

    Body: a JSON object, with any of `note` and `log` (a list of lines). Mutations in flight are finished first,
    and instances that follow others take in what was written; 503 if that takes too long.
    """
    del uuid
    body = fold_keys(await request.read_body(1 << 20), _CommitBody)
    server, repo, version = request.server, request.repo, request.version
    # Not in the pool for work: there it would take a thread from the mutations that it waits for.

    def drain() -> None:
        server.version_hooks.check_ready(version.id)
        server.catching_up.drain(repo)

    await asyncio.to_thread(
        commit_version,
        server.repos,
        repo,
        version,
        body.note,
        body.log,
        request.who,
        server.stores.sync,
        drain,
    )
    return json_answer({"committed": version.uuid})


@post("/api/node/{uuid:str}/newversion")
async def new_version(request: CoreRequest, uuid: FromPath[str]) -> Answer:
    """Make an open child of a committed version on its branch.

    Body (may be empty): `note`, and `uuid` to choose its UUID. Answers `{"child": UUID}`.
    """
    del uuid
    body = fold_keys(await request.read_body(1 << 20), _ChildBody, empty_allowed=True)
    repos, repo, parent = request.server.repos, request.repo, request.version
    child = await request.run(add_child, repos, repo, parent, note=body.note, uuid=body.uuid, user=request.who)
    return json_answer({"child": child.uuid})


@post("/api/node/{uuid:str}/branch")
async def branch(request: CoreRequest, uuid: FromPath[str]) -> Answer:
    """Make an open child of a committed version that begins a new branch.

    Body: `branch`, and any of `note` and `uuid`. Answers `{"child": UUID}`.
    """
    del uuid
    body = fold_keys(await request.read_body(1 << 20), _BranchBody)
    if not body.branch:
        raise BadRequest('"branch" must name the new branch')
    repos, repo, parent = request.server.repos, request.repo, request.version
    child = await request.run(
        add_branch, repos, repo, parent, body.branch, note=body.note, uuid=body.uuid, user=request.who
    )
    return json_answer({"child": child.uuid})


@post("/api/node/{uuid:str}/tag")
async def tag(request: CoreRequest, uuid: FromPath[str]) -> Answer:
    """Tag a committed version: a locked child whose UUID is the tag.

    Body: `tag`, and `note`. The tag can be used wherever a UUID is. Answers `{"child": TAG}`.
    """
    del uuid
    body = fold_keys(await request.read_body(1 << 20), _TagBody)
    repos, repo, parent = request.server.repos, request.repo, request.version
    child = await request.run(add_tag, repos, repo, parent, body.tag, body.note, request.who)
    return json_answer({"child": child.uuid})


ROUTES: list[HTTPRouteHandler] = [
    note,
    set_note,
    log,
    add_log,
    status,
    commit_status,
    commit,
    new_version,
    branch,
    tag,
]

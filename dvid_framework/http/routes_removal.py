"""Routes that rename and delete repos, branches and instances; administrators' business, and confirmed by name."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from dvid_framework.errors import BadRequest
from dvid_framework.http.answers import Answer, empty, json_answer
from dvid_framework.http.auth import need_admin
from dvid_framework.http.bodies import texts_of
from dvid_framework.http.call import CoreRequest
from dvid_framework.http.routing import delete, post
from dvid_framework.instances.settings import check_name
from dvid_framework.versions import removal
from dvid_framework.versions.record import VersionRecord

__all__ = ["ROUTES"]


class _Asked(msgspec.Struct):
    """What stands in the body or, but for a passcode, in the query."""

    confirm: str = ""
    name: str = ""
    passcode: str = ""


async def _asked(request: CoreRequest) -> _Asked:
    """Return what is asked for, by an administrator who knows the passcode."""
    need_admin(request.call)
    query = {key: request.call.query[key] for key in ("confirm", "name") if key in request.call.query}
    found = _Asked(**query | texts_of(await request.read_config(), ("confirm", "name", "passcode")))
    removal.check_passcode(request.repo, found.passcode)
    return found


async def _delete(request: CoreRequest, what: str, deletion: Any) -> Answer:
    deletions = request.server.deletion
    job = await request.run(deletions.delete, request.repo, what, deletion, request.who)
    return json_answer({"job": job.id})


def _need_root(request: CoreRequest) -> None:
    version: VersionRecord = request.version
    if version.parents:
        raise BadRequest(f"name the repo by its root {request.repo.root}, and not by another version")


@delete("/api/repo/{uuid:str}")
async def delete_repo(request: CoreRequest, uuid: FromPath[str]) -> Answer:
    """Delete a repo with all its versions and data, for ever. Needs admin.

    UUID must be that of the root. `confirm`, in the query or in a JSON body, must be the repo's alias or the whole UUID
    of its root; a repo with a passcode needs `passcode` in the body. The repo is gone at once, and its UUIDs are
    free; a job frees the space. Answers `{"job": ID}`.
    """
    del uuid
    asked, server, repo = await _asked(request), request.server, request.repo
    _need_root(request)
    public = {version.uuid for version in repo.dag} & set(server.config.auth.public_versions)
    if public:
        raise BadRequest(f"version {min(public)} is public by the configuration and can't be deleted")
    return await _delete(
        request,
        f"repo {repo.root} {repo.record.alias!r}",
        lambda prepare: removal.delete_repo(server.repos, repo, asked.confirm, prepare, request.who),
    )


@post("/api/repo/{uuid:str}/rename", mutates=False)
async def rename_repo(request: CoreRequest, uuid: FromPath[str]) -> Answer:
    """Give a repo another alias: `{"name": NEW, "confirm": ALIAS}`, or the root's UUID to confirm. Needs admin."""
    del uuid
    asked = await _asked(request)
    await request.run(removal.rename_repo, request.server.repos, request.repo, asked.name, asked.confirm, request.who)
    return empty()


@delete("/api/repo/{uuid:str}/branch/{branch:str}")
async def delete_branch(request: CoreRequest, uuid: FromPath[str], branch: FromPath[str]) -> Answer:
    """Delete the versions of a branch that it shares with no other branch, for ever. Needs admin.

    Versions from which another branch descends stay. `confirm`, in the query or in a JSON body, must be the name of the
    branch. What is deleted is gone at once; a job frees the space. Answers `{"job": ID}`.
    """
    del uuid
    asked, server, repo = await _asked(request), request.server, request.repo
    public = server.config.auth.public_versions
    return await _delete(
        request,
        f"branch {branch!r}",
        lambda prepare: removal.delete_branch(server.repos, repo, branch, asked.confirm, prepare, public, request.who),
    )


@post("/api/repo/{uuid:str}/branch/{branch:str}/rename", mutates=False)
async def rename_branch(request: CoreRequest, uuid: FromPath[str], branch: FromPath[str]) -> Answer:
    """Give a branch other than master another name: `{"name": NEW, "confirm": OLD}`. Needs admin."""
    del uuid
    asked = await _asked(request)
    repos, repo = request.server.repos, request.repo
    await request.run(removal.rename_branch, repos, repo, branch, asked.name, asked.confirm, request.who)
    return empty()


@delete("/api/repo/{uuid:str}/instance/{name:str}")
async def delete_instance(request: CoreRequest, uuid: FromPath[str], name: FromPath[str]) -> Answer:
    """Delete a data instance with its data at all versions of the repo, for ever. Needs admin.

    `confirm`, in the query or in a JSON body, must be its name. It is gone at once, and its name is free; a job frees
    the space. Answers `{"job": ID}`.
    """
    del uuid
    asked, repos, repo = await _asked(request), request.server.repos, request.repo
    return await _delete(
        request,
        f"instance {name!r}",
        lambda prepare: removal.delete_instance(repos, repo, name, asked.confirm, prepare, request.who),
    )


@post("/api/repo/{uuid:str}/instance/{name:str}/rename", mutates=False)
async def rename_instance(request: CoreRequest, uuid: FromPath[str], name: FromPath[str]) -> Answer:
    """Give a data instance another name: `{"name": NEW, "confirm": OLD}`. Needs admin.

    Syncs stay; settings of other instances that name it do not change.
    """
    del uuid
    asked = await _asked(request)
    check_name(asked.name)
    repos, repo = request.server.repos, request.repo
    await request.run(removal.rename_instance, repos, repo, name, asked.name, asked.confirm, request.who)
    return empty()


ROUTES: list[HTTPRouteHandler] = [
    delete_repo,
    rename_repo,
    delete_branch,
    rename_branch,
    delete_instance,
    rename_instance,
]

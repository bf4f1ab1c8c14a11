"""Routes below instances that every type has: info, help, tags, blobstore, jobs, and for logged types the mutations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from litestar.params import FromPath, FromQuery

from dvid_framework.errors import BadRequest
from dvid_framework.events.sync_settings import set_syncs
from dvid_framework.http.access.guard import check_readable
from dvid_framework.http.answers import Answer, binary, empty, json_answer, text_answer
from dvid_framework.http.call import Call, InstanceRequest
from dvid_framework.http.help import type_help
from dvid_framework.http.json_bodies import decode_json
from dvid_framework.http.log_choice import LogChoice
from dvid_framework.http.routes_jobs import instance_jobs
from dvid_framework.http.routing import get, point_read, post
from dvid_framework.instances.instance import Instance
from dvid_framework.storage.blobs import get_blob, put_blob
from dvid_framework.versions.record import VersionRecord

if TYPE_CHECKING:
    from dvid_framework.instances.datatype import Datatype

__all__ = ["routes_of_every_type", "shared_routes"]

_BLOB_BYTES = 64 << 20
_Request = InstanceRequest[Instance]


@point_read("/info")
def info(call: Call) -> Answer:
    """Return what the instance is: `Base`, the same for all types, and the type's own `Extended`."""
    assert call.instance is not None
    assert call.version is not None
    return json_answer(call.instance.info(call.version))


@post("/info")
async def post_info(request: _Request) -> Answer:
    """Change settings in the types that allow it; in all others answer as GET does, and change nothing."""
    body = await request.read_body(1 << 20)
    if type(request.instance).post_info is not Instance.post_info:
        config = decode_json(body) if body.strip() else {}
        if not isinstance(config, dict):
            raise BadRequest("the body must be a JSON object of settings")
        await request.run(request.instance.post_info, request.version, config, request.who)
    return json_answer(request.instance.info(request.version))


@get("/help")
async def help_page(request: _Request) -> Answer:
    """Return this text."""
    return text_answer(type_help(request.instance.datatype, request.server.routes_of(request.instance.datatype)))


@get("/tags")
async def tags(request: _Request) -> Answer:
    """Return the tags of the instance: `{"Tags": {...}}`, or null without any."""
    return json_answer({"Tags": request.instance.record.tags})


@post("/tags")
async def post_tags(request: _Request) -> Answer:
    """Add tags, a JSON object of texts; with `replace=true` put them in place of all there are. Not versioned."""
    body = await request.read_body(1 << 20)
    given = decode_json(body, dict[str, str]) if body.strip() else {}
    kept = {} if request.flag("replace") else (request.instance.record.tags or {})
    await request.run(request.instance.save_tags, {**kept, **given}, request.who)
    return empty()


@post("/blobstore", mutates=False)
async def post_blob(request: _Request) -> Answer:
    """Keep any bytes, at most 64 MB, under a name made from them; answers `{"reference": REF}`. Not versioned."""
    data = await request.read_body(_BLOB_BYTES)
    return json_answer({"reference": await request.run(put_blob, request.instance.log.store, data)})


@get("/blobstore/{reference:str}")
async def blob(request: _Request, reference: FromPath[str]) -> Answer:
    """Return the bytes that were kept under a reference."""
    if len(request.call.segments) > 2:
        raise BadRequest("nothing may follow the reference of a blob")
    return binary(await request.run(get_blob, request.instance.log.store, reference))


class _SyncBody(msgspec.Struct):
    sync: str


@post("/sync")
async def sync(request: _Request) -> Answer:
    """Follow other instances from now on: `{"sync": "NAME,NAME"}`, in all versions.

    They are added to those that are followed already, or with `replace=true` take their place; an empty text with it
    ends all. What they hold already is not taken in. From then on a read of this instance sees every mutation of theirs
    that was acknowledged before it.
    """
    body: _SyncBody = await request.read_json(_SyncBody, 1 << 20)
    names = body.sync.split(",") if body.sync else []
    server = request.server
    parts = (server.stores, server.repos, server.syncs, request.instance)
    await request.run(set_syncs, *parts, names, request.flag("replace"), request.who)
    return empty()


def _wire(instance: Instance, version: VersionRecord, chosen: LogChoice) -> list[dict[str, Any]]:
    """The log entries of one version as the wire has them: not those that the original does not log."""
    return [
        entry
        for mutation in instance.mutations(version)
        if chosen.takes(mutation)
        for entry in instance.wire_entries(mutation)
    ]


@get("/mutations")
async def mutations(
    request: _Request,
    userid: FromQuery[str | None] = None,
    since: FromQuery[str | None] = None,
    until: FromQuery[str | None] = None,
) -> Answer:
    """Return what was done to the instance at this version, the oldest first: a JSON list.

    userid: only what this user did. since, until: only what was done from then on, until then (RFC 3339).
    """
    del userid, since, until
    chosen = LogChoice.of(request.query)
    with request.throttled():
        return json_answer(await request.run(_wire, request.instance, request.version, chosen))


@get("/mutations-range/{first:str}/{last:str}")
async def mutations_range(request: _Request, first: FromPath[str], last: FromPath[str]) -> Answer:
    """Return the mutations of the versions from `last` back to `first` along first parents.

    The youngest version comes first, each version's mutations the oldest first; with `order=oldest` the oldest version
    does. If `first` is no ancestor of `last`, all from the root are meant. userid, since, until: as for mutations.
    """
    chosen = LogChoice.of(request.query)
    instance, repos = request.instance, request.server.repos
    (owner, start), (other, end) = repos.find(first), repos.find(last)
    if owner is not instance.repo or other is not instance.repo:
        raise BadRequest("both versions must be of the instance's repo")

    def gather() -> list[dict[str, Any]]:
        walk = instance.repo.dag.first_parents(end.id)
        ids = [version.id for version in walk]
        walk = walk[: ids.index(start.id) + 1] if start.id in ids else walk
        if not instance.record.versioned:
            walk = walk[:1]
        if request.query.get("order") == "oldest":
            walk.reverse()
        check_readable(request.call, instance.repo, {version.id for version in walk})
        return [entry for version in walk for entry in _wire(instance, version, chosen)]

    with request.throttled():
        return json_answer(await request.run(gather))


routes_of_every_type: tuple[Any, ...] = (info, post_info, help_page, tags, post_tags, post_blob, blob, instance_jobs)
_logged: tuple[Any, ...] = (mutations, mutations_range)


def shared_routes(datatype: type[Datatype]) -> tuple[Any, ...]:
    """Return the routes that the core gives to a type."""
    following = () if datatype.follows is None else (sync,)
    return routes_of_every_type + following + (_logged if datatype.logged else ())

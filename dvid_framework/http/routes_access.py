"""Routes about who may use the server."""

from __future__ import annotations

from litestar.handlers import HTTPRouteHandler

from dvid_framework.errors import BadRequest
from dvid_framework.http.answers import Answer, text_answer
from dvid_framework.http.auth import need_admin
from dvid_framework.http.call import CoreRequest
from dvid_framework.http.routing import get, post

__all__ = ["ROUTES"]


@post("/api/server/reload-blocklist", mutates=False)
async def reload_blocklist(request: CoreRequest) -> Answer:
    """Read the blocklist's file again. Needs admin."""
    need_admin(request.call)
    guard = request.server.guard
    text = "no blocklist is configured" if guard is None else await request.run(guard.reload_blocklist)
    return text_answer(f"{text}\n")


@post("/api/server/reload-auth", mutates=False)
async def reload_auth(request: CoreRequest) -> Answer:
    """Read the files of users, secrets and tokens again, and forget what the DatasetGateway has said. Needs admin.

    A file that is wrong is refused and changes nothing.
    """
    need_admin(request.call)
    guard = request.server.guard
    await request.run(request.server.admin_tokens.reload)
    if guard is not None:
        await request.run(guard.reload_files)
        guard.forget_users()
    return text_answer("no users are configured\n" if guard is None else "users are read anew\n")


@get("/api/server/token")
async def server_token(request: CoreRequest) -> Answer:
    """Refuse to make a token: they come from whoever shares the secret, or from the DatasetGateway."""
    del request
    raise BadRequest("this server exchanges no logins; ask whoever signs its credentials")


ROUTES: list[HTTPRouteHandler] = [reload_blocklist, reload_auth, server_token]

"""Reads of instances that follow others: they wait until the follower has taken in what was acknowledged before."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from litestar.handlers import HTTPRouteHandler
from litestar.types import Receive, Scope, Send

from dvid_framework.http.access.guard import visible_versions
from dvid_framework.http.answers import Answer, json_answer
from dvid_framework.http.call import CoreRequest
from dvid_framework.http.routing import RouteOptions, get

if TYPE_CHECKING:
    from dvid_framework.events.catching_up import CatchingUp
    from dvid_framework.events.pursuit import Pursuit
    from dvid_framework.http.call import Call
    from dvid_framework.server import Server
    from dvid_framework.versions.record import InstanceRecord

__all__ = ["ROUTES", "Afterwards", "must_wait"]

_NOT_OF_THE_DATA = frozenset({"info", "help", "tags", "sync", "jobs", "blobstore"})


def must_wait(call: Call, record: InstanceRecord, options: RouteOptions) -> bool:
    """Tell whether a request reads a follower that lacks something now.

    Raises:
        Unavailable: the instance is being made ready for a merge of versions.
    """
    if call.segments[0] in _NOT_OF_THE_DATA:
        return False
    assert call.repo is not None
    assert call.version is not None
    call.server.version_hooks.check_ready(call.version.id, record.id)
    if options.mutates or not record.follows:
        return False
    return call.server.catching_up.is_needed(call.repo, record)


class Afterwards:
    """An answer that waits until a follower has caught up, and is made then."""

    def __init__(self, catching_up: CatchingUp, call: Call, answer: Callable[[], Answer]) -> None:
        self._catching_up = catching_up
        self._call = call
        self._answer = answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        assert self._call.repo is not None
        assert self._call.instance is not None
        await self._catching_up.wait_for(self._call.repo, self._call.instance.record)
        await self._answer()(scope, receive, send)


def _row(server: Server, pursuit: Pursuit) -> dict[str, Any]:
    repo, reached = server.repos.by_id(pursuit.repo), server.syncs.reached(pursuit)
    names = [repo.find_instance(number) for number in pursuit.leaders]
    follower = repo.find_instance(pursuit.follower)
    last = max((pursuit.log.last_of(leader) for leader in pursuit.leaders), default=0)
    return {
        "repo": repo.root,
        "follower": follower.name if follower else "",
        "follows": [record.name for record in names if record],
        "position": reached,
        "lag": max(last - reached, 0),
        "error": pursuit.error,
        "failed at": pursuit.failed_at if pursuit.error else 0,
    }


@get("/api/server/followers")
async def followers(request: CoreRequest) -> Answer:
    """Return how far each instance is that follows others.

    A row has `repo`, `follower`, `follows` (names), `position` in the mutation log, `lag` (how many mutations of the
    store lie between it and the last one of what is followed; 0 when it has all), and the `error` that set it aside
    with the number of the mutation (`failed at`); it is tried again.
    """
    server, call = request.server, request.call
    seen = (pursuit for pursuit in server.syncs if visible_versions(call, server.repos.by_id(pursuit.repo)) is None)
    return json_answer([_row(server, pursuit) for pursuit in seen])


ROUTES: list[HTTPRouteHandler] = [followers]

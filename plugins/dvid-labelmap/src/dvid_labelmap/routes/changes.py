"""How requests that change bodies run: in a thread, few at once, durable together with others."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import TypeVar

from dvid_framework.api import BadRequest, Made, Unavailable
from dvid_labelmap.ops.body_commits import BodyChange, new_stamp
from dvid_labelmap.routes.asked import LabelRequest

__all__ = ["change_at_once", "change_bodies", "need_bodies"]

_R = TypeVar("_R")


def need_bodies(request: LabelRequest) -> None:
    """Check that the instance has bodies.

    Raises:
        BadRequest: it was made without.
    """
    if not request.instance.settings.indexed_labels:
        raise BadRequest("this instance was made with IndexedLabels=false and has no bodies")


async def change_at_once(
    request: LabelRequest, change: Callable[[BodyChange], _R | None], otherwise: Callable[[BodyChange], _R]
) -> tuple[int, _R]:
    """As `change_bodies`, of a change that most often is brief.

    Args:
        request: the request.
        change: checks, fills the transaction, and commits, if that takes little time and waits for nobody; does nothing
            and returns None if not.
        otherwise: does it in any case.
    """
    instance, version, call = request.instance, request.version, request.call

    def make() -> Made | None:
        with request.begin(durable=False, wait=0.0) as txn:
            found = change(BodyChange(instance, version, txn, new_stamp(call.user, call.app)))
        return None if found is None else Made(txn.number, (txn.mutation_id, found))

    with contextlib.suppress(Unavailable):  # it may be worth a wait
        made: tuple[int, _R] | None = await instance.brief_writes.make(request.server.pool, make)
        if made is not None:
            return made
    return await change_bodies(request, otherwise)


async def change_bodies(request: LabelRequest, change: Callable[[BodyChange], _R]) -> tuple[int, _R]:
    """Run a change of bodies as one unit; returns its mutation id and what `change` returns.

    Args:
        request: the request.
        change: checks, fills the transaction, and commits.
    """
    instance, version, call = request.instance, request.version, request.call
    loop = asyncio.get_running_loop()
    durable = loop.create_future()

    def tell(failure: Exception | None) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended, and with it who waits
            loop.call_soon_threadsafe(_settle, durable, failure)

    def run() -> tuple[int, _R]:
        with request.begin(durable=False) as txn:
            found = change(BodyChange(instance, version, txn, new_stamp(call.user, call.app)))
        instance.log.when_durable(txn.number, tell)  # for several changes at once, and while others go on
        return txn.mutation_id, found

    async with instance.crowd:
        made = await request.run(run)
    await durable
    return made


def _settle(future: asyncio.Future[None], failure: Exception | None) -> None:
    if future.done():
        return  # nobody waits any more
    if failure is None:
        future.set_result(None)
    else:
        future.set_exception(failure)

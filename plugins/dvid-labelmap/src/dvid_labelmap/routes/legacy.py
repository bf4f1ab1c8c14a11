"""The addresses of the older types of labels."""

from __future__ import annotations

from typing import Any

from dvid_framework.api import Answer, empty, post
from dvid_labelmap.routes import exports, legacy_bodies, legacy_voxels
from dvid_labelmap.routes.legacy_source import LegacyRequest, followed

__all__ = ["LABELARRAY_ROUTES", "LABELBLK_ROUTES", "LABELVOL_ROUTES"]

_BODY_BYTES = 1 << 20


@post("/sync")
async def sync(request: LegacyRequest) -> Answer:
    """Follow other instances: `{"sync": "NAME,NAME"}`; with replace=true in place of those that it follows.

    A labelvol follows a labelblk, whose bodies it shows; a labelblk may follow its labelvol.
    """
    body = await request.read_json(dict[str, object], _BODY_BYTES)
    instance, replace = request.instance, request.flag("replace")

    def run() -> None:
        with instance.lock:
            instance.save_follows(followed(instance, body, replace), request.who)

    await request.run(run)
    return empty()


LABELARRAY_ROUTES: tuple[Any, ...] = (
    *legacy_voxels.ROUTES,
    *legacy_voxels.BLOCKS_OF_LABELARRAY,
    *legacy_bodies.ROUTES,
    *legacy_bodies.OF_LABELARRAY,
    *exports.ROUTES,
)
LABELBLK_ROUTES: tuple[Any, ...] = (
    *legacy_voxels.ROUTES,
    *legacy_voxels.BLOCKS_OF_LABELBLK,
    *exports.ROUTES,
    sync,
)
LABELVOL_ROUTES: tuple[Any, ...] = (*legacy_bodies.ROUTES, *legacy_bodies.OF_LABELVOL, sync)

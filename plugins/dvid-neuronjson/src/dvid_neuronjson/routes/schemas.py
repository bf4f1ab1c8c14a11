"""Schemas: one that neurons are checked by, and two that are kept for clients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dvid_framework.api import Answer, Call, binary, delete, empty, get, post
from dvid_neuronjson import ops
from dvid_neuronjson.instance import JSON_SCHEMA
from dvid_neuronjson.keys import schema_key
from dvid_neuronjson.routes.common import BODY_BYTES, JSON, Request

__all__ = ["AS_KEYS", "SCHEMA_ROUTES", "schema_answer"]

AS_KEYS = ("schema", "schema_batch")
"""Schemas that are keys as well."""
_ABOUT = {
    JSON_SCHEMA: "the JSON schema by which neurons are checked when they are posted",
    "schema": "the schema that is kept for clients such as NeuTu",
    "schema_batch": "the schema of batches that is kept for clients",
}
_CHECKED = (
    " A schema that can't be used is refused: one that refers to anything but its own parts, whose regular expressions"
    " take more than linear time, or whose rules multiply without bound. Drafts 4, 6, 7, 2019-09 and 2020-12 by its"
    " `$schema`."
)


def schema_answer(call: Call, name: str) -> Answer:
    """Return a schema as it was posted, or 404 without a body."""
    body = call.view.get(schema_key(name))
    return empty(404) if body is None else binary(body, JSON)


def _reads(name: str) -> Callable[..., Any]:
    async def read(request: Request) -> Answer:
        return schema_answer(request.call, name)

    read.__doc__ = f"Return {_ABOUT[name]}, or 404."
    return get(f"/{name}")(read)


def _sets(name: str) -> Callable[..., Any]:
    async def write(request: Request) -> Answer:
        body = await request.read_body(BODY_BYTES)
        await request.run(ops.post_schema, request.instance, request.begin, name, body)
        return empty()

    write.__doc__ = f"Set {_ABOUT[name]}, at this version and below." + (_CHECKED if name == JSON_SCHEMA else "")
    return post(f"/{name}")(write)


def _removes(name: str) -> Callable[..., Any]:
    async def remove(request: Request) -> Answer:
        await request.run(ops.delete_schema, request.instance, request.begin, name)
        return empty()

    remove.__doc__ = f"Take away {_ABOUT[name]}; it is no error if there is none."
    return delete(f"/{name}")(remove)


SCHEMA_ROUTES = tuple(make(name) for name in _ABOUT for make in (_reads, _sets, _removes))

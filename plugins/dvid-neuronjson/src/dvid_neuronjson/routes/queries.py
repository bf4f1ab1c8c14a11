"""Queries."""

from __future__ import annotations

from collections.abc import Iterable

from dvid_framework.api import Answer, FromQuery, get, holding_json, json_joined, post
from dvid_neuronjson import ops
from dvid_neuronjson.answers import Buffer
from dvid_neuronjson.codec import decode_json
from dvid_neuronjson.conditions import parse_queries
from dvid_neuronjson.model import Shown
from dvid_neuronjson.routes.common import JSON, Request, stream

__all__ = ["QUERY_ROUTES"]

_QUERY_BYTES = 16 << 20


def _is_head(request: Request) -> bool:
    """Tell whether the version is the newest of master."""
    version = request.version
    return not version.branch and request.instance.repo.dag.branch_child(version.id, "") is None


async def _answer(request: Request) -> Answer:
    shown = Shown.asked(request.query)
    only_numbers = request.flag("onlyid")
    body = await request.read_body(_QUERY_BYTES)
    with holding_json(request, body):
        queries = await request.run(lambda: parse_queries(decode_json(body, "the query")))
    bodies = ops.chosen_bodies(queries)
    ops.check_count(bodies or ())
    instance = request.instance
    state = await request.run(instance.stored if bodies is not None else instance.reading, request.version)

    def parts() -> Iterable[Buffer]:
        wanted = bodies
        if wanted is None and not _is_head(request):
            wanted = sorted((number for number, _ in ops.matching(state, queries, None)), key=str)
        if wanted is None:
            found = ops.matching(state, queries, None if only_numbers else shown)
        else:
            found = ops.present(state.view, wanted, None if only_numbers else shown)
        return json_joined(b"%d" % number if only_numbers else value for number, value in found)

    answer = await stream(request, JSON, state, parts)
    instance.tables.shrink()
    return answer


@get("/query")
async def get_query(
    request: Request,
    onlyid: FromQuery[str | None] = None,
    show: FromQuery[str | None] = None,
    fields: FromQuery[str | None] = None,
) -> Answer:
    """Return the neurons for which the query of the body holds, as a JSON list.

    A query is a JSON object of fields and what they must be, all of them: a number or a text; one of a list of numbers
    or of texts; a text `re/REGEX`, where the regular expression of RE2 is found in it (`re/^DA` for texts that begin
    so); `exists/1` or `exists/0` for fields that are there or not; true or false. A field that is a list of texts or of
    integers meets what one of its elements meets. Fields of users and times (`type_user`) can be asked for too. Of a
    list of such objects one must hold.

    Neurons come in order of their numbers; at other versions than the newest of master in that of their keys as texts.
    If only `bodyid` is asked for, they come in the order of the query. With `onlyid=true` the answer is a list of
    numbers; `show` and `fields` as for `key`.
    """
    del onlyid, show, fields
    return await _answer(request)


@post("/query", mutates=False)
async def post_query(
    request: Request,
    onlyid: FromQuery[str | None] = None,
    show: FromQuery[str | None] = None,
    fields: FromQuery[str | None] = None,
) -> Answer:
    """Return the same as GET, for clients that can't send a body with that; allowed on committed versions too."""
    del onlyid, show, fields
    return await _answer(request)


QUERY_ROUTES = (get_query, post_query)

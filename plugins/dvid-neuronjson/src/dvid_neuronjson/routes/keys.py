"""Single neurons, and several by their keys."""

from __future__ import annotations

from collections.abc import Iterable

from dvid_framework.api import (
    Answer,
    BadRequest,
    Call,
    FromPath,
    FromQuery,
    NotFound,
    binary,
    delete,
    empty,
    get,
    holding_json,
    point_read,
    post,
)
from dvid_neuronjson import ops
from dvid_neuronjson.answers import Buffer, json_object, tar
from dvid_neuronjson.batches import decode_keys, decode_pairs, encode_pairs
from dvid_neuronjson.codec import Neuron, decode_json
from dvid_neuronjson.instance import Reading
from dvid_neuronjson.keys import parse_bound, parse_id, schema_key, type_key
from dvid_neuronjson.model import Shown
from dvid_neuronjson.routes.common import BINARY, BODY_BYTES, JSON, TAR, Request, change_of, format_of, stream
from dvid_neuronjson.routes.schemas import AS_KEYS, schema_answer

__all__ = ["KEY_ROUTES"]


@point_read("/key/{key:str}")
def get_key(call: Call) -> Answer:
    """Return the object of a neuron, or 404; the key is its number.

    `show=user`, `show=time` or `show=all` shows who set each field, when, or both, as fields `type_user` and
    `type_time` beside `type`. `fields=a,b` returns these fields alone, and always bodyid. The keys `schema` and
    `schema_batch` are those schemas.
    """
    text = call.segments[1]
    if text in AS_KEYS:
        if schema_key(text) not in call.view:
            raise NotFound(f'Key "{text}" not found')
        return schema_answer(call, text)
    number = parse_id(text)
    value = call.view.get(type_key(number))
    if value is None:
        raise NotFound(f'Key "{number}" not found')
    return binary(Shown.asked(call.query).encode(Neuron(value)), JSON)


@post("/key/{key:str}")
async def post_key(
    request: Request,
    key: FromPath[str],
    u: FromQuery[str | None] = None,
    replace: FromQuery[str | None] = None,
    conditional: FromQuery[str | None] = None,
) -> Answer:
    """Set fields of a neuron to those of the JSON object in the body, whose `bodyid` must be the key.

    `u=USER` is needed: it is kept with the time for each field whose value changes, as `FIELD_user` and `FIELD_time`,
    unless the object says these itself. Fields that are not in the object stay; with `replace=true` they go. A field
    that is null is taken away, and it stays known by whom and when. Fields named in `conditional=a,b` are set only if
    the neuron does not have them. An object that the version's JSON schema does not allow is refused.

    The keys `schema` and `schema_batch` set these schemas.
    """
    del u, replace, conditional
    change, instance = change_of(request), request.instance
    body = await request.read_body(BODY_BYTES)
    if key in AS_KEYS:
        await request.run(ops.post_schema, instance, request.begin, key, body)
        return empty()
    number = parse_id(key)
    if number == 0:
        raise BadRequest("there is no neuron 0")
    with holding_json(request, body):
        await request.run(ops.post_neurons, instance, request.version, request.begin, [(number, body)], change)
    return empty()


@delete("/key/{key:str}")
async def delete_key(request: Request, key: FromPath[str]) -> Answer:
    """Take a neuron away at this version; it is no error if it is not there.

    The keys `schema` and `schema_batch` take these schemas away.
    """
    if key in AS_KEYS:
        await request.run(ops.delete_schema, request.instance, request.begin, key)
    else:
        await request.run(ops.delete_neuron, request.instance, request.begin, parse_id(key))
    return empty()


def _numbers(body: bytes, texts_only: bool) -> list[int]:
    """Return the neurons of a JSON list of texts, or of integers."""
    wanted = decode_json(body, "the body")
    if not isinstance(wanted, list):
        raise BadRequest("the body must be a JSON list of keys")
    kinds = {type(one) for one in wanted}
    if kinds <= {str}:
        return [parse_id(one) for one in wanted]
    if kinds == {int} and not texts_only:
        return [parse_id(str(one)) for one in wanted]
    raise BadRequest("the body must be a JSON list of texts" + ("" if texts_only else " or one of integers"))


@get("/keyvalues", also=())
async def get_values(
    request: Request,
    json: FromQuery[str | None] = None,
    tar: FromQuery[str | None] = None,
    show: FromQuery[str | None] = None,
    fields: FromQuery[str | None] = None,
) -> Answer:
    """Return the neurons that the body names, in its order.

    The body is the protobuf message Keys, and the answer KeyValues, in which a missing neuron has no value. With
    `json=true` the body is a JSON list of texts or of integers, and the answer an object without those that are
    missing; with `tar=true` (or `jsontar=true`) a list of texts is answered by a tar with a file for each. `show` and
    `fields` as for `key`.
    """
    del json, tar, show, fields
    wanted, shown = format_of(request), Shown.asked(request.query)
    body = await request.read_body(BODY_BYTES)
    instance, version = request.instance, request.version

    def parts(state: Reading) -> Iterable[Buffer]:
        numbers = (
            [parse_id(key) for key in decode_keys(body)] if wanted == "protobuf" else _numbers(body, wanted == "tar")
        )
        ops.check_count(numbers)
        found = ((str(number), value) for number, value in ops.named(state.view, numbers, shown))
        return _encode(wanted, found)

    with holding_json(request, body):
        state = await request.run(instance.stored, version)
        return await stream(request, _TYPES[wanted], state, lambda: parts(state))


_TYPES = {"json": JSON, "tar": TAR, "protobuf": BINARY}


def _encode(wanted: str, found: Iterable[tuple[str, Buffer | None]]) -> Iterable[Buffer]:
    if wanted == "protobuf":
        return encode_pairs(found)
    if wanted == "tar":
        return tar(found)
    return json_object((name, value) for name, value in found if value is not None)


@post("/keyvalues")
async def post_values(
    request: Request,
    u: FromQuery[str | None] = None,
    replace: FromQuery[str | None] = None,
    conditional: FromQuery[str | None] = None,
) -> Answer:
    """Set fields of several neurons, as `POST key` does of one: all pairs of the protobuf message KeyValues or none."""
    del u, replace, conditional
    change = change_of(request)
    body = await request.read_body()

    def write() -> None:
        pairs = [(parse_id(key), value) for key, value in decode_pairs(body)]
        if any(number == 0 for number, _ in pairs):
            raise BadRequest("there is no neuron 0")
        ops.post_neurons(request.instance, request.version, request.begin, pairs, change, action="ingestneuronjson")

    with holding_json(request, body):
        await request.run(write)
    return empty()


@get("/keyrangevalues/{first:str}/{last:str}")
async def range_values(
    request: Request,
    first: FromPath[str],
    last: FromPath[str],
    json: FromQuery[str | None] = None,
    tar: FromQuery[str | None] = None,
    show: FromQuery[str | None] = None,
    fields: FromQuery[str | None] = None,
) -> Answer:
    """Return the neurons from first to last, both included, in order of their numbers.

    The answer is the protobuf message KeyValues; with `json=true` a JSON object; with `tar=true` a tar with a file for
    each. Bounds as for `keyrange`; `show` and `fields` as for `key`.
    """
    del json, tar, show, fields
    wanted, shown = format_of(request), Shown.asked(request.query)
    start, stop = parse_bound(first), parse_bound(last)
    state = await request.run(request.instance.stored, request.version)

    def parts() -> Iterable[Buffer]:
        found = ((str(number), value) for number, value in ops.shown_between(state.view, start, stop, shown))
        return _encode(wanted, found)

    return await stream(request, _TYPES[wanted], state, parts)


KEY_ROUTES = (get_key, post_key, delete_key, get_values, post_values, range_values)

"""The HTTP addresses below an instance."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import ExitStack

from dvid_framework.api import (
    Answer,
    BadRequest,
    Call,
    FromPath,
    FromQuery,
    Instance,
    InstanceContext,
    InstanceRequest,
    Later,
    NotFound,
    Pieces,
    binary,
    delete,
    empty,
    get,
    holding_memory,
    in_pieces,
    point_read,
    post,
    text_answer,
    whole_or_pieces,
)
from dvid_keyvalue import keys as names
from dvid_keyvalue import ops
from dvid_keyvalue.archive import encode_tar
from dvid_keyvalue.codec import decode_keys, decode_pairs, encode_pairs
from dvid_keyvalue.large import LARGE_BYTES, LargeKeys
from dvid_keyvalue.listing import decode_parts, encode_keys, encode_object
from dvid_keyvalue.model import Part, cut
from dvid_keyvalue.ranges import parse_range

__all__ = ["ROUTES", "KeyValueInstance"]

_BINARY = "application/octet-stream"
_JSON = "application/json"
_PARTS_BYTES = 64 << 20
_SLICE_BYTES = 1 << 20
_PIECE_BYTES = 4 << 20
_MOST_DIGITS = 20


class KeyValueInstance(Instance):
    """One map.

    Attributes:
        large: the keys with large values, as far as is known.
    """

    def __init__(self, context: InstanceContext) -> None:
        super().__init__(context)
        self.large = LargeKeys()


_Request = InstanceRequest[KeyValueInstance]


async def _streamed(request: _Request, media_type: str, parts: Callable[[], Iterable[bytes | memoryview]]) -> Answer:
    """Answer with a Content-Length what fits into one piece, and stream the rest; `parts` is called in a thread."""
    return await whole_or_pieces(request, lambda: in_pieces(parts(), _PIECE_BYTES), media_type)


def _format(request: _Request) -> str:
    """Return `json`, `tar` or `protobuf`."""
    as_json, as_tar = request.flag("json"), request.flag("tar") or request.flag("jsontar")
    if as_json and as_tar:
        raise BadRequest("json=true and tar=true exclude each other")
    return "json" if as_json else "tar" if as_tar else "protobuf"


_ENCODERS = {
    "json": (encode_object, _JSON),
    "tar": (encode_tar, "application/tar"),
    "protobuf": (encode_pairs, _BINARY),
}


def _number(text: str, name: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS):
        raise BadRequest(f"{name} must be a number and not {text[:40]!r}")
    return int(text)


def _asked_part(call: Call, key: bytes) -> Part:
    query = call.query
    if "byte_start" not in query and "byte_end" not in query:
        return Part(key)
    if call.header(b"range") is not None:
        raise BadRequest("ask by the header Range or by byte_start and byte_end, not both")
    if "byte_start" not in query or "byte_end" not in query:
        raise BadRequest("byte_start and byte_end are needed together")
    return Part(key, _number(query["byte_start"], "byte_start"), _number(query["byte_end"], "byte_end"))


@point_read("/key/{key:str}")
def get_key(call: Call) -> Answer:
    """Return the value of a key as it was stored, or 404.

    For a part give `byte_start` and `byte_end`, both counted from 0 and included (200; 400 if they lie outside), or the
    header `Range: bytes=A-B` (206; 416 if it begins outside). HEAD tells whether the key is there, and its length.
    """
    key = names.of_text(call.segments[1])
    if key in _large_of(call):
        return Later(lambda: _value_of(call, key), call.server.pool)
    return _value_of(call, key)


def _large_of(call: Call) -> LargeKeys:
    return call.instance_as(KeyValueInstance).large


def _value_of(call: Call, key: bytes) -> Answer:
    """Return what is asked for of the value of a key."""
    value = call.view.get(key)
    if value is None:
        raise NotFound(f'Key "{names.text_of(key)}" not found')
    _large_of(call).note(key, len(value))
    headers = {"Accept-Ranges": "bytes"}
    if call.method == "HEAD":
        return binary(value, _BINARY, headers)
    part = _asked_part(call, key)
    header = call.header(b"range")
    if header is None and part.is_whole and len(value) >= LARGE_BYTES:
        return _in_slices(call, value, headers)
    if header is None or not part.is_whole:
        return binary(cut(value, part), _BINARY, headers)
    found = parse_range(header, len(value))
    if found is None:
        return binary(value, _BINARY, headers)
    if not found:
        headers["Content-Range"] = f"bytes */{len(value)}"
        return text_answer(f"no byte of {header[:80]!r} is within the value\n", 416, headers)
    headers["Content-Range"] = f"bytes {found[0]}-{found[-1]}/{len(value)}"
    return binary(value[found.start : found.stop], _BINARY, headers, 206)


def _in_slices(call: Call, value: memoryview, headers: dict[str, str]) -> Answer:
    """Return an answer that holds its memory until the other side has taken it."""
    stack = ExitStack()
    stack.enter_context(holding_memory(call, len(value)))
    slices = (value[at : at + _SLICE_BYTES] for at in range(0, len(value), _SLICE_BYTES))
    return Pieces(slices, call.server.pool, length=len(value), headers=headers, on_end=stack.close)


@post("/key/{key:str}")
async def post_key(request: _Request, key: FromPath[str]) -> Answer:
    """Set a key to the bytes of the body, whatever its content type."""
    pair = (names.checked(names.of_text(key)), await request.read_body())

    def write() -> None:
        with request.begin() as txn:
            ops.put_pairs(txn, [pair])

    await request.run(write)
    request.instance.large.note(pair[0], len(pair[1]))
    return empty()


@delete("/key/{key:str}")
async def delete_key(request: _Request, key: FromPath[str]) -> Answer:
    """Delete a key at this version; it is no error if there is no such key."""

    def write() -> None:
        with request.begin() as txn:
            ops.delete_key(txn, names.of_text(key))

    await request.run(write)
    return empty()


@get("/keys", also=("HEAD", "POST"))
async def list_keys(
    request: _Request, limit: FromQuery[str | None] = None, after: FromQuery[str | None] = None
) -> Answer:
    """Return all keys as a JSON list, in byte order.

    `limit=N` gives at most N keys, and `after=KEY` only those that come after KEY: to page through many, ask for
    those after the last one received.
    """
    most = None if limit is None else min(_number(limit, "limit"), ops.MOST_KEYS)
    view = request.view
    return await _streamed(request, _JSON, lambda: encode_keys(ops.keys_after(view, names.of_text(after or ""), most)))


@get("/keyrange/{first:str}/{last:str}", also=("HEAD", "POST"))
async def list_range(request: _Request, first: FromPath[str], last: FromPath[str]) -> Answer:
    """Return the keys from first to last as a JSON list; both are included, and need not exist."""
    view = request.view
    return await _streamed(request, _JSON, lambda: encode_keys(view.keys(*names.range_of(first, last))))


@get("/keyrangevalues/{first:str}/{last:str}", also=("HEAD", "POST"))
async def range_values(
    request: _Request,
    first: FromPath[str],
    last: FromPath[str],
    json: FromQuery[str | None] = None,
    tar: FromQuery[str | None] = None,
    check: FromQuery[str | None] = None,
) -> Answer:
    """Return the pairs whose keys are from first to last, both included, in byte order.

    As the protobuf message KeyValues; with `json=true` as a JSON object of the values as they are stored (`check=true`:
    400 if one is no JSON); with `tar=true` (or `jsontar=true`) as a tar with a file for each key.
    """
    del json, tar, check
    view, bounds = request.view, names.range_of(first, last)
    encode, media_type = _ENCODERS[_format(request)]
    checked = encode is encode_object and request.flag("check")

    def parts() -> Iterable[bytes | memoryview]:
        if checked:
            ops.check_pairs(view.scan(*bounds))
        return encode(view.scan(*bounds))

    return await _streamed(request, media_type, parts)


@get("/keyvalues", also=())
async def get_values(
    request: _Request,
    json: FromQuery[str | None] = None,
    tar: FromQuery[str | None] = None,
    check: FromQuery[str | None] = None,
) -> Answer:
    """Return the values of the keys that the body names, in its order.

    The body is the protobuf message Keys, and so is the answer KeyValues, in which a missing key has no value. With
    `json=true` the body is a JSON list of keys, or of objects `{"key":K,"byte_start":A,"byte_end":B}` for parts of
    values, and the answer a JSON object in which a missing key is `{}` (`check=true`: 400 if a value is no JSON); with
    `tar=true` (or `jsontar=true`) the same list is answered by a tar with a file for each key.
    """
    del json, tar, check
    wanted = _format(request)
    encode, media_type = _ENCODERS[wanted]
    body = await request.read_body(_PARTS_BYTES)
    view, checked, name = request.view, request.flag("check"), request.instance.name

    def parts() -> Iterable[bytes | memoryview]:
        asked = decode_keys(body) if wanted == "protobuf" else decode_parts(body)
        try:
            ops.check_parts(view, asked, wanted == "json", checked)
        except BadRequest as error:
            raise BadRequest(f'GET /keyvalues on {len(asked)} keys, data "{name}": {error.message}') from error
        return encode(ops.pairs_of(view, asked))

    return await _streamed(request, media_type, parts)


@post("/keyvalues")
async def post_values(request: _Request) -> Answer:
    """Set the pairs of the protobuf message KeyValues, all of them or none."""
    body = await request.read_body()

    def write() -> None:
        with request.begin() as txn:
            ops.put_pairs(txn, decode_pairs(body))

    await request.run(write)
    return empty()


ROUTES = (get_key, post_key, delete_key, list_keys, list_range, range_values, get_values, post_values)

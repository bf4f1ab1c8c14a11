"""Lists of neurons and of their fields."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from dvid_framework.api import Answer, FromPath, FromQuery, get, json_answer, json_joined
from dvid_neuronjson import ops
from dvid_neuronjson.answers import Buffer, gzipped
from dvid_neuronjson.instance import Reading
from dvid_neuronjson.keys import LARGEST, id_of_key, parse_bound, range_of
from dvid_neuronjson.model import Shown
from dvid_neuronjson.routes.common import JSON, Request, reading, stream

__all__ = ["LIST_ROUTES"]


def _takes_gzip(request: Request) -> bool:
    """Tell whether the client takes answers that are compressed by gzip."""
    for part in (request.call.header(b"accept-encoding") or "").lower().split(","):
        name, _, weight = part.partition(";")
        if name.strip() in ("gzip", "x-gzip", "*"):
            return weight.replace(" ", "").rstrip("0.") not in ("q=", "q")
    return False


@get("/all")
async def get_all(request: Request, show: FromQuery[str | None] = None, fields: FromQuery[str | None] = None) -> Answer:
    """Return the objects of all neurons as a JSON list, in order of their numbers.

    `show` and `fields` as for `key`. Neurons of which nothing but bodyid would be seen are left out, except with
    `fields=bodyid`. The answer is compressed by gzip for clients that say in Accept-Encoding that they take it.
    """
    del show, fields
    shown, state = Shown.asked(request.query), await reading(request)

    def parts() -> Iterable[Buffer]:
        return json_joined(ops.all_shown(state, shown))

    headers = {"Vary": "Accept-Encoding"}
    if not _takes_gzip(request):
        return await stream(request, JSON, state, parts, headers)
    return await stream(request, JSON, state, parts, {**headers, "Content-Encoding": "gzip"}, gzipped)


def _keys(state: Reading, first: int, last: int) -> Iterator[bytes]:
    """Yield the numbers from first to last as JSON texts."""
    if first > last:
        return
    if state.table is not None:
        for chunk in state.table.chunks:
            numbers = chunk.numbers
            if numbers[0] < first or numbers[-1] > last:
                numbers = [number for number in numbers if first <= number <= last]
            if numbers:
                yield b'"%b"' % '","'.join(map(str, numbers)).encode()
        return
    for key in state.view.keys(*range_of(first, last)):
        yield b'"%d"' % id_of_key(key)


@get("/keys", also=("HEAD", "POST"))
async def list_keys(request: Request) -> Answer:
    """Return the numbers of all neurons as a JSON list of texts, in order of the numbers."""
    state = await request.run(request.instance.glance, request.version)
    return await stream(request, JSON, state, lambda: json_joined(_keys(state, 0, LARGEST)))


@get("/keyrange/{first:str}/{last:str}", also=("HEAD", "POST"))
async def list_range(request: Request, first: FromPath[str], last: FromPath[str]) -> Answer:
    """Return the numbers from first to last, both included, as a JSON list of texts.

    Neither bound need be there. One that begins with a letter after `9` is the largest number, before `0` the smallest:
    `keyrange/0/a` lists all.
    """
    start, stop = parse_bound(first), parse_bound(last)
    state = await request.run(request.instance.glance, request.version)
    return await stream(request, JSON, state, lambda: json_joined(_keys(state, start, stop)))


@get("/fields", also=("HEAD", "POST"))
async def get_fields(request: Request, counts: FromQuery[str | None] = None) -> Answer:
    """Return the names of all fields, those of users and times included, as a JSON list.

    With `counts=true` an object that says how many neurons have each.
    """
    del counts

    def count() -> dict[str, int]:
        with request.instance.reading(request.version) as state:
            return dict(sorted(ops.count_fields(state).items()))

    found = await request.run(count)
    return json_answer(found if request.flag("counts") else list(found))


@get("/fieldtimes", also=("HEAD", "POST"))
async def get_field_times(request: Request) -> Answer:
    """Return when each field was set last, as a JSON object of texts."""

    def find() -> dict[str, str]:
        with request.instance.reading(request.version) as state:
            return dict(sorted(ops.field_times(state).items()))

    return json_answer(await request.run(find))


LIST_ROUTES = (get_all, list_keys, list_range, get_fields, get_field_times)

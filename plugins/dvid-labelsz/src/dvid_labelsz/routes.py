"""The HTTP addresses below an instance."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Annotated, TypeAlias

import msgspec

from dvid_framework.api import (
    Answer,
    BadRequest,
    Call,
    FromPath,
    FromQuery,
    InstanceRequest,
    View,
    binary,
    empty,
    get,
    in_pieces,
    json_joined,
    point_read,
    post,
    whole_or_pieces,
)
from dvid_labelsz.counting import by_type, counts_of
from dvid_labelsz.instance import LabelSizeInstance
from dvid_labelsz.model import MOST, RANKED, VOXELS, parse_type
from dvid_labelsz.ranks import ranked
from dvid_labelsz.recounting import RELOAD_JOB

__all__ = ["ROUTES"]

_JSON = "application/json"
_BODY_BYTES = 64 << 20
_AT_ONCE = 10_000
_PAGE = 10_000
_MOST_LABEL = (1 << 64) - 1
_Request: TypeAlias = InstanceRequest[LabelSizeInstance]
_Labels = list[Annotated[int, msgspec.Meta(ge=0)]]


def _number(text: str, what: str, most: int = MOST) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 20 and int(text) <= most):
        raise BadRequest(f"{what} must be an integer from 0 to {most}, and not {text[:30]!r}")
    return int(text)


async def _listed(request: _Request, parts: Callable[[], Iterable[bytes]]) -> Answer:
    """Answer with a JSON list, with its length if it is short; `parts` is called in a thread."""

    def make() -> Iterator[bytes | memoryview]:
        request.instance.check_counted(request.view)
        return in_pieces(json_joined(parts()))

    return await whole_or_pieces(request, make, _JSON)


def _rows(name: str, labels: list[int], numbers: list[int]) -> bytes:
    pairs = [number for pair in zip(labels, numbers, strict=True) for number in pair]
    row = f'{{"Label":%d,"{name}":%d}}'
    return (",".join([row] * len(labels)) % tuple(pairs)).encode()


def _ranks(request: _Request, kind: str, least: int, first: int, most: int) -> Iterator[bytes]:
    if kind == VOXELS or not most:
        return
    for labels, counts in ranked(request.view, RANKED.index(kind), least, first, most):
        for at in range(0, len(labels), _AT_ONCE):
            part = slice(at, at + _AT_ONCE)
            yield _rows("Size", labels[part].tolist(), counts[part].tolist())


def _counts(view: View, kind: str, labels: list[int]) -> Iterator[bytes]:
    for at in range(0, len(labels), _AT_ONCE):
        some = labels[at : at + _AT_ONCE]
        if kind == VOXELS:
            numbers = [0] * len(some)
        else:
            column = RANKED.index(kind)
            numbers = [by_type(counts)[column] for counts in counts_of(view, some)]
        yield _rows(kind, some, numbers)


@point_read("/count/{label:str}/{kind:str}")
def count(call: Call) -> Answer:
    """Return how many elements of a type a label has: `{"Label": 21847, "PreSyn": 81}`; 0 for an unknown label."""
    _, label, kind = call.segments[:3]
    name, number = parse_type(kind), _number(label, "a label", _MOST_LABEL)
    call.instance_as(LabelSizeInstance).check_counted(call.view)
    return binary(b"".join(_counts(call.view, name, [number])), _JSON)


@get("/counts/{kind:str}")
async def counts(request: _Request, kind: FromPath[str]) -> Answer:
    """Return how many elements of a type labels have, those of the body, a JSON list, in its order."""
    name = parse_type(kind)
    labels: list[int] = await request.read_json(_Labels, _BODY_BYTES)
    if labels and max(labels) > _MOST_LABEL:
        raise BadRequest(f"labels are integers from 0 to {_MOST_LABEL}")
    return await _listed(request, lambda: _counts(request.view, name, labels))


@get("/top/{n:str}/{kind:str}")
async def top(request: _Request, n: FromPath[str], kind: FromPath[str]) -> Answer:
    """Return the n labels with the most elements of a type: `[{"Label": 1, "Size": 4}, ...]`; equals by label."""
    name, most = parse_type(kind), _number(n, "n")
    return await _listed(request, lambda: _ranks(request, name, 1, 0, most))


def _page(offset: str | None, n: str | None) -> tuple[int, int]:
    first, most = offset or "0", n or "0"
    digits = first.removeprefix("-")
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 20):
        raise BadRequest(f"offset must be an integer, and not {first[:30]!r}")
    return max(int(first), 0), _number(most, "n") or _PAGE


@get("/threshold/{least:str}/{kind:str}")
async def threshold(
    request: _Request,
    least: FromPath[str],
    kind: FromPath[str],
    offset: FromQuery[str | None] = None,
    n: FromQuery[str | None] = None,
) -> Answer:
    """Return the labels with at least so many elements of a type, as top does.

    offset: how many to pass over (0). n: how many at most (10000). The second page of 10000 has offset=10000.
    """
    name, few = parse_type(kind), _number(least, "the threshold")
    first, most = _page(offset, n)
    return await _listed(request, lambda: _ranks(request, name, few, first, most))


@post("/reload")
async def reload(request: _Request) -> Answer:
    """Count anew what the synced annotation holds, by a job: `jobs` tells how far it is; counts are 503 meanwhile."""
    call = request.call
    await request.run(
        lambda: request.instance.start_job(RELOAD_JOB, version=request.version, user=call.user, app=call.app)
    )
    return empty()


ROUTES = (count, counts, top, threshold, reload)

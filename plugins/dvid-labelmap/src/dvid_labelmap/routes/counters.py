"""The largest label, and new labels."""

from __future__ import annotations

from collections.abc import Callable

from dvid_framework.api import Answer, BadRequest, FromPath, FromQuery, Txn, empty, get, json_answer, need_admin, post
from dvid_labelmap.ops.counters import parse_label
from dvid_labelmap.routes.asked import LabelRequest

__all__ = ["ROUTES"]


def _check_indexed(request: LabelRequest) -> None:
    if not request.instance.settings.indexed_labels:
        raise BadRequest("this instance was made with IndexedLabels=false and does not count labels")


async def _change(request: LabelRequest, change: Callable[[Txn], None]) -> None:
    """Change counters and commit, with nobody between."""

    def run() -> None:
        with request.instance.counters.lock, request.begin() as txn:
            txn.mark_internal()
            change(txn)

    await request.run(run)


@get("/maxlabel")
async def maxlabel(request: LabelRequest) -> Answer:
    """Return the largest label of this version and its ancestors: `{"maxlabel": 20}`; 400 without any."""
    _check_indexed(request)
    largest = request.instance.counters.largest(request.instance.members(request.version))
    if not largest:
        raise BadRequest("there are no labels at this version")
    return json_answer({"maxlabel": largest})


@post("/maxlabel/{label:str}")
async def post_maxlabel(request: LabelRequest, label: FromPath[str]) -> Answer:
    """Raise the largest label (administrators); a smaller one than there is changes nothing."""
    need_admin(request.call)
    number, instance = parse_label(label), request.instance
    version, members = instance.number_of(request.version), instance.members(request.version)

    def change(txn: Txn) -> None:
        instance.counters.raise_by_hand(txn, version, number, members)
        txn.emit("post-maxlabel", MaxLabel=number)

    await _change(request, change)
    return empty()


@get("/nextlabel")
async def nextlabel(request: LabelRequest) -> Answer:
    """Return the label that would be given next: `{"nextlabel": 21}`."""
    _check_indexed(request)
    return json_answer({"nextlabel": request.instance.counters.next_label})


@post("/nextlabel/{count:str}")
async def post_nextlabel(request: LabelRequest, count: FromPath[str]) -> Answer:
    """Reserve new labels, which nobody else is given: `{"start": 21, "end": 25}`, both included."""
    _check_indexed(request)
    number, instance = parse_label(count), request.instance
    version, members = instance.number_of(request.version), instance.members(request.version)
    given: list[tuple[int, int]] = []

    def change(txn: Txn) -> None:
        first, last = instance.counters.reserve(txn, version, number, members)
        given.append((first, last))
        txn.emit("post-nextlabel", **{"Start Label": first, "End Label": last})

    await _change(request, change)
    return json_answer({"start": given[0][0], "end": given[0][1]})


@post("/set-nextlabel/{label:str}")
async def set_nextlabel(request: LabelRequest, label: FromPath[str], ceiling: FromQuery[str | None] = None) -> Answer:
    """Have new labels begin after this one (administrators), whatever labels there are.

    ceiling: the largest label to give; 0 takes the bound away; without it the bound stays.
    """
    need_admin(request.call)
    number, instance = parse_label(label), request.instance

    def change(txn: Txn) -> None:
        bound = instance.counters.set_next(txn, number, ceiling)
        txn.emit("setnextlabel", **{"Next Label": number, "Ceiling": bound})

    await _change(request, change)
    return empty()


ROUTES = (maxlabel, post_maxlabel, nextlabel, post_nextlabel, set_nextlabel)

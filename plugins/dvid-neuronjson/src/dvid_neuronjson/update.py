"""What becomes of a neuron when an object is posted to it: values, and who set them and when. No input or output."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from dvid_framework.api import BadRequest
from dvid_neuronjson.codec import TIME, USER, is_meta

__all__ = ["Change", "check_posted", "merge"]

_UNMARKED = ("bodyid", "user")  # nobody keeps who set these
_SCALARS = (str, int, float, bool)
_encode_sorted = msgspec.json.Encoder(order="deterministic").encode


@dataclass(frozen=True, slots=True)
class Change:
    """How an object is posted.

    Attributes:
        user: who posts it.
        time: when, RFC 3339 in whole seconds.
        replace: fields that are not posted go.
        conditional: fields that are set only if they were not.
    """

    user: str
    time: str
    replace: bool = False
    conditional: Collection[str] = ()


def check_posted(number: int, posted: object) -> dict[str, Any]:
    """Return a posted object if it can be one of a neuron.

    Raises:
        BadRequest: it is none, is of another neuron, or has what no neuron can have.
    """
    if not isinstance(posted, dict):
        raise BadRequest("a neuron is a JSON object")
    body = posted.get("bodyid")
    if type(body) is not int or body != number:
        raise BadRequest(f"the field bodyid must be the number of the key, {number}")
    for meta in ("bodyid" + USER, "bodyid" + TIME):
        if meta in posted:
            raise BadRequest(f"{meta} can't be set: nobody keeps who set a bodyid")
    for field, value in posted.items():
        if field.endswith(TIME) and value is not None and not isinstance(value, str):
            raise BadRequest(f"{field} is the time at which a field was set, so it must be a text")
    return posted


def _same(one: object, other: object) -> bool:
    """Compare by type and content: 1 is neither 1.0 nor true; lists in order, objects deeply."""
    if type(one) is not type(other):
        return False
    return one == other if isinstance(one, _SCALARS) else _encode_sorted(one) == _encode_sorted(other)


def _take_away(new: dict[str, Any], old: dict[str, Any], change: Change) -> set[str]:
    """Drop fields that are posted as null, and note who took them away and when; return their names."""
    nulled = {field for field, value in new.items() if value is None}
    for field in nulled:
        del new[field]
        old.pop(field, None)
    for field in nulled:
        if not is_meta(field):
            marks = {field + USER: change.user, field + TIME: change.time}
            new.update((name, mark) for name, mark in marks.items() if name not in new and name not in nulled)
    return nulled


def merge(stored: Mapping[str, Any], posted: Mapping[str, Any], change: Change) -> dict[str, Any]:
    """Return what is stored afterwards.

    Args:
        stored: all fields of the neuron as the version has them; empty if there is none.
        posted: what `check_posted` returned.
        change: how it is posted.
    """
    old, new = dict(stored), dict(posted)
    nulled = _take_away(new, old, change)
    given = set(new)
    if not stored:
        changed = set(new)
    else:
        changed = {field for field in new if is_meta(field) or field not in old or not _same(new[field], old[field])}
        if not change.replace:
            _carry_over(new, old, changed, change.conditional)
    for field in changed:
        if is_meta(field) or field in _UNMARKED or field in nulled:
            continue
        _mark(new, given, field, change.user, change.time)
    if not stored:
        _complete_users(new, change.time)
    elif change.replace:
        for field in given - changed:
            if field not in _UNMARKED:
                _mark(new, given, field, old.get(field + USER, change.user), old.get(field + TIME, change.time))
    return new


def _carry_over(new: dict[str, Any], old: dict[str, Any], changed: set[str], conditional: Collection[str]) -> None:
    """Keep what was not posted, and what was posted on the condition that it was not set."""
    for field, value in old.items():
        if field not in new:
            new[field] = value
        elif field in conditional:
            new[field] = value
            changed.discard(field)


def _mark(new: dict[str, Any], given: Collection[str], field: str, user: Any, time: Any) -> None:
    """Note who set a field and when, unless it was posted."""
    if field + USER not in given:
        new[field + USER] = user
    if field + TIME not in given:
        new[field + TIME] = time


def _complete_users(new: dict[str, Any], time: str) -> None:
    """A new neuron that says who set a field says when, even if it has no such field."""
    for field in [name.removesuffix(USER) for name in new if name.endswith(USER)]:
        if field not in _UNMARKED:
            new.setdefault(field + TIME, time)

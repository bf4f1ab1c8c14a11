"""How routes of the older types become labelmap's: the call is handed on to the instance that holds the labels."""

from __future__ import annotations

from typing import Any, TypeAlias

from dvid_framework.api import Answer, Call, InstanceRequest
from dvid_labelmap.legacy_instances import LabelArrayInstance, LabelBlkInstance, LabelVolInstance
from dvid_labelmap.routes.asked import LabelRequest

__all__ = ["LegacyRequest", "hand_on", "handed_on"]

_Legacy: TypeAlias = LabelArrayInstance | LabelBlkInstance | LabelVolInstance
LegacyRequest = InstanceRequest[Any]
"""A request to an instance of an older type."""


def hand_on(call: Call) -> Call:
    """Hand a call on to the instance that holds the labels, without parameters that the type does not know.

    Raises:
        BadRequest: a labelvol is synced with no labelblk.
    """
    instance: _Legacy = call.instance  # type: ignore[assignment]  # these routes belong to these types
    for name in instance.unknown:
        call.query.pop(name, None)
    call.instance = instance.source()
    return call


def handed_on(request: LegacyRequest) -> LabelRequest:
    """Hand a request on to the instance that holds the labels; see `hand_on`."""
    hand_on(request.call)
    return request


async def answer_of(route: Any, request: LabelRequest, *given: str | None) -> Answer:
    """Answer as one of labelmap's routes does.

    Args:
        route: the route.
        request: the request, handed on.
        given: the parts of the path and the parameters that the route takes.
    """
    answer: Answer = await route.fn(request, *given)
    return answer

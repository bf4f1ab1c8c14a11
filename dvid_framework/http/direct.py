"""Routes that dispatch calls itself: Litestar is not needed to pass a few texts on to a function."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from litestar.handlers import HTTPRouteHandler
from litestar.types import Receive, Scope, Send

from dvid_framework.errors import BadRequest
from dvid_framework.http.answers import Answer
from dvid_framework.http.call import Call

__all__ = ["Direct", "direct"]

# As they stand in a module with `from __future__ import annotations`; routes of others are left to Litestar.
_PATH = frozenset({"FromPath[str]"})
_QUERY = frozenset({"FromQuery[str]", "FromQuery[str | None]"})
_Function = Callable[..., Awaitable[Answer]]


class Direct:
    """A function that takes texts of the path and the query, and how it is called.

    Args:
        function: the function.
        request_class: what its `request` is.
        segments: the names of its parameters from the path, with the place of each among the segments.
        queries: the names of those from the query, with their defaults; `inspect.Parameter.empty` for none.
    """

    __slots__ = ("function", "queries", "request_class", "segments")

    def __init__(
        self,
        function: _Function,
        request_class: Callable[[Scope, Receive, Send], Any],
        segments: Sequence[tuple[str, int]],
        queries: Sequence[tuple[str, Any]],
    ) -> None:
        self.function = function
        self.request_class = request_class
        self.segments = segments
        self.queries = queries

    def answer(self, call: Call, segments: Sequence[str]) -> Answer:
        """Return what answers a call.

        Raises:
            BadRequest: a parameter is missing.
        """
        values: dict[str, Any] = {name: segments[at] for name, at in self.segments}
        for name, default in self.queries:
            values[name] = value = call.query.get(name, default)
            if value is inspect.Parameter.empty:
                raise BadRequest(f"the parameter {name!r} is needed in the query")
        return _Answering(self, values)


class _Answering:
    """Calls the function, and sends what it returns."""

    __slots__ = ("_direct", "_values")

    def __init__(self, chosen: Direct, values: dict[str, Any]) -> None:
        self._direct = chosen
        self._values = values

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        request = self._direct.request_class(scope, receive, send)
        answer = await self._direct.function(request=request, **self._values)
        await answer(scope, receive, send)


def direct(
    handler: HTTPRouteHandler, pattern: Sequence[str], request_class: Callable[[Scope, Receive, Send], Any]
) -> Direct | None:
    """Return how a route is called, or None if Litestar must: its function wants more than texts.

    Args:
        handler: the route, to which no option of Litestar's own was given.
        pattern: the names of the parameters in its path by their place; empty for fixed parts.
        request_class: what its function gets as `request`.
    """
    function: Any = handler.fn
    signature = inspect.signature(function)
    parameters = dict(signature.parameters)
    if (
        parameters.pop("request", None) is None
        or not inspect.iscoroutinefunction(function)
        or signature.return_annotation != "Answer"
    ):
        return None
    segments = [(name, at) for at, name in enumerate(pattern) if name in parameters]
    if any(parameters.pop(name).annotation not in _PATH for name, _ in segments):
        return None
    if any(parameter.annotation not in _QUERY for parameter in parameters.values()):
        return None
    return Direct(function, request_class, segments, [(one.name, one.default) for one in parameters.values()])

"""How a route says what it answers: decorators for ordinary Litestar handlers, and point reads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from litestar import HttpMethod
from litestar import route as litestar_route
from litestar.handlers import HTTPRouteHandler

from dvid_framework.http.answers import Answer
from dvid_framework.http.call import Call

__all__ = ["OPTION", "PointRead", "RouteOptions", "delete", "get", "point_read", "post", "put"]

OPTION = "dvid"
"""Key of `RouteOptions` in a handler's `opt`."""
_Decorator = Callable[[Callable[..., Any]], HTTPRouteHandler]


@dataclass(frozen=True, slots=True)
class RouteOptions:
    """What dispatch must know of a route.

    Attributes:
        method: the method that it declares.
        also: other methods that are answered in the same way.
        mutates: whether it is refused on a committed version. The method does not tell: some POSTs only read.
        template: the path as declared, such as `/key/{key:str}`.
        itself: whether the declared method is answered, or only the other ones.
        plain: whether no option of Litestar's own was given.
    """

    method: str
    also: tuple[str, ...]
    mutates: bool
    template: str
    itself: bool = True
    plain: bool = True

    @property
    def methods(self) -> tuple[str, ...]:
        """All methods that the route answers."""
        return (self.method, *self.also) if self.itself else self.also


def _route(method: str, path: str, also: Sequence[str], mutates: bool, options: dict[str, Any]) -> _Decorator:
    itself = options.pop("itself", True)
    chosen = RouteOptions(method, tuple(also), mutates, path, itself, plain=not options)
    status, methods = options.pop("status_code", 200), [HttpMethod(method)]
    return litestar_route(path, http_method=methods, status_code=status, opt={OPTION: chosen}, **options)


def get(path: str, *, also: Sequence[str] = ("HEAD",), **options: Any) -> _Decorator:
    """Declare a read: `@get("/key/{key:str}")`. HEAD is answered like GET without the body."""
    return _route("GET", path, also, False, options)


def post(path: str, *, also: Sequence[str] = (), mutates: bool = True, **options: Any) -> _Decorator:
    """Declare a POST; `mutates=False` for one that only reads, which is allowed on committed versions."""
    return _route("POST", path, also, mutates, options)


def put(path: str, *, also: Sequence[str] = (), mutates: bool = True, **options: Any) -> _Decorator:
    """Declare a PUT."""
    return _route("PUT", path, also, mutates, options)


def delete(path: str, *, also: Sequence[str] = (), mutates: bool = True, **options: Any) -> _Decorator:
    """Declare a DELETE."""
    return _route("DELETE", path, also, mutates, options)


@dataclass(frozen=True, slots=True)
class PointRead:
    """A hot small read that dispatch calls itself, on the event loop: a plain function of the call."""

    options: RouteOptions
    function: Callable[[Call], Answer]

    def __call__(self, call: Call) -> Answer:
        """Answer a call."""
        return self.function(call)


def point_read(path: str, *, also: Sequence[str] = ("HEAD",)) -> Callable[[Callable[[Call], Answer]], PointRead]:
    """Declare a read of one key, faster than a Litestar handler and documented like one.

    The function gets the `Call`: its `view`, `query`, `header` and `segments` (the keyword is the first segment). It
    runs on the event loop, so it must take well under a millisecond.
    """

    def decorate(function: Callable[[Call], Answer]) -> PointRead:
        return PointRead(RouteOptions("GET", tuple(also), False, path), function)

    return decorate

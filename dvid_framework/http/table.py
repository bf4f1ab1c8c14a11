"""The addresses that dispatch knows: the core's, and below instances each type's by keyword."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from litestar.handlers import HTTPRouteHandler

from dvid_framework.errors import BadRequest
from dvid_framework.http.call import CoreRequest, InstanceRequest
from dvid_framework.http.direct import Direct, direct
from dvid_framework.http.routing import OPTION, PointRead, RouteOptions

__all__ = ["MOUNT", "Bound", "CoreTable", "TypeTable", "options_of"]

MOUNT = "/_t"
"""Hidden prefix of the types' routes."""
_PARAMETER = re.compile(r"\{[^}]*\}")
_ORDER = ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS")


def options_of(handler: Any) -> RouteOptions | None:
    """Return what a route declared, or None for a plain Litestar handler."""
    if isinstance(handler, PointRead):
        return handler.options
    options = handler.opt.get(OPTION) if isinstance(handler, HTTPRouteHandler) else None
    return options if isinstance(options, RouteOptions) else None


def _direct(
    handler: Any, options: RouteOptions, request_class: type[CoreRequest | InstanceRequest[Any]]
) -> Direct | None:
    """Return how dispatch calls a route itself, if it can."""
    if isinstance(handler, PointRead) or not options.plain:
        return None
    parts = [part for part in options.template.split("/") if part]
    names = [part[1:-1].partition(":")[0] if _PARAMETER.fullmatch(part) else "" for part in parts]
    return direct(handler, names, request_class)


def _pattern(template: str) -> tuple[str | None, ...]:
    return tuple(None if _PARAMETER.fullmatch(part) else part for part in template.split("/") if part)


def allow(methods: Iterable[str]) -> str:
    """Return the value of an Allow header."""
    return ", ".join(sorted({*methods, "OPTIONS"}, key=_ORDER.index))


class CoreTable:
    """The fixed addresses, and which methods each answers.

    Attributes:
        points: the point reads.
        directs: how dispatch calls the others; None for those that Litestar must call.
        for_litestar: the routes that it must call.
    """

    def __init__(self, handlers: Iterable[HTTPRouteHandler | PointRead]) -> None:
        self.points: dict[RouteOptions, PointRead] = {}
        self.directs: dict[RouteOptions, Direct | None] = {}
        self.for_litestar: list[HTTPRouteHandler] = []
        self._by_length: dict[int, list[tuple[tuple[str | None, ...], dict[str, RouteOptions]]]] = {}
        for handler in handlers:
            options = options_of(handler)
            if options is None:
                continue
            if isinstance(handler, PointRead):
                self.points[options] = handler
            chosen = self.directs[options] = _direct(handler, options, CoreRequest)
            if chosen is None and not isinstance(handler, PointRead):
                self.for_litestar.append(handler)
            pattern = _pattern(options.template)
            known = self._by_length.setdefault(len(pattern), [])
            methods = next((found for other, found in known if other == pattern), None)
            if methods is None:
                known.append((pattern, methods := {}))
            for method in options.methods:
                methods[method] = options

    def routes(self) -> list[tuple[str, str]]:
        """Return method and template of everything that is answered."""
        known = [methods for entries in self._by_length.values() for _, methods in entries]
        return sorted((method, options.template) for methods in known for method, options in methods.items())

    def methods(self, segments: Sequence[str]) -> dict[str, RouteOptions] | None:
        """Return the routes of an address by method, or None if there is no such address."""
        for pattern, methods in self._by_length.get(len(segments), ()):
            if all(part is None or part == segment for part, segment in zip(pattern, segments, strict=True)):
                return methods
        return None


@dataclass(frozen=True, slots=True)
class Bound:
    """A route below instances of one type."""

    options: RouteOptions
    pattern: tuple[str | None, ...]
    point: PointRead | None
    direct: Direct | None


class TypeTable:
    """The routes of one datatype by keyword.

    What follows the longest pattern of a keyword is ignored, as in the original.

    Attributes:
        for_litestar: the routes that dispatch can't call itself.
    """

    def __init__(self, type_name: str, routes: Iterable[Any]) -> None:
        self.type_name = type_name
        self._routes: dict[str, list[Bound]] = {}
        self._only: dict[tuple[str, str], Bound] = {}
        self.for_litestar: list[HTTPRouteHandler] = []
        for handler in routes:
            options = options_of(handler)
            if options is None:
                raise TypeError(f"route {handler!r} of {type_name} is not made by get, post, put, delete or point_read")
            pattern = _pattern(options.template)
            if not pattern or pattern[0] is None:
                raise TypeError(f"route {options.template!r} of {type_name} does not begin with a keyword")
            point = handler if isinstance(handler, PointRead) else None
            chosen = _direct(handler, options, InstanceRequest)
            if point is None and chosen is None:
                self.for_litestar.append(handler)
            self._routes.setdefault(pattern[0], []).append(Bound(options, pattern, point, chosen))
        for routes_of_keyword in self._routes.values():
            routes_of_keyword.sort(key=lambda bound: -len(bound.pattern))
        self._find_unambiguous()

    def _find_unambiguous(self) -> None:
        """Most keywords have one route for a method and no fixed parts behind it: these are found at once."""
        for keyword, routes in self._routes.items():
            for method in self.keyword_methods(keyword):
                answering = [bound for bound in routes if method in bound.options.methods]
                if len(answering) == 1 and not any(answering[0].pattern[1:]):
                    self._only[keyword, method] = answering[0]

    def routes(self) -> list[tuple[str, str]]:
        """Return method and template of everything that is answered."""
        bounds = [bound for routes in self._routes.values() for bound in routes]
        return sorted((method, bound.options.template) for bound in bounds for method in bound.options.methods)

    def keyword_methods(self, keyword: str) -> set[str]:
        """Return the methods that a keyword answers, whatever follows it."""
        return {method for bound in self._routes.get(keyword, ()) for method in bound.options.methods}

    def declares_read(self, keyword: str, method: str) -> bool:
        """Tell whether a keyword has a route of this method that mutates nothing."""
        return any(
            not bound.options.mutates
            for bound in self._routes.get(keyword, ())
            if method in bound.options.methods and bound.options.method not in ("GET", "HEAD")
        )

    def match(self, method: str, segments: Sequence[str], name: str, header: Callable[[bytes], str | None]) -> Bound:
        """Return the route for a method and the path below the instance; its pattern tells how much of it is taken.

        Raises:
            BadRequest: the keyword is unknown, lacks parts, or does not answer the method.
        """
        keyword = segments[0]
        only = self._only.get((keyword, method))
        if only is not None and len(segments) >= len(only.pattern):
            return only
        routes = self._routes.get(keyword)
        if routes is None:
            host = header(b"host") or "localhost"
            raise BadRequest(
                f'Bad API call ({"/".join(segments)}) for data "{name}". '
                f"See API help at http://{host}/api/help/{self.type_name}"
            )
        fitting = [
            bound
            for bound in routes
            if len(bound.pattern) <= len(segments)
            and all(p is None or p == s for p, s in zip(bound.pattern, segments, strict=False))
        ]
        if not fitting:
            shapes = " or ".join(sorted({bound.options.template for bound in routes}))
            raise BadRequest(f"parts of the address are missing after {keyword!r}: {_PARAMETER.sub('...', shapes)}")
        for bound in fitting:
            if method in bound.options.methods:
                return bound
        raise BadRequest(f"{keyword!r} does not answer {method}; allowed are {allow(self.keyword_methods(keyword))}")

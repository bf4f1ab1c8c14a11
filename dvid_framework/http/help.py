"""Help pages, put together from the docstrings of types and routes, so that help can't disagree with routes."""

from __future__ import annotations

import html
import inspect
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from litestar.handlers import HTTPRouteHandler

from dvid_framework.http.routing import PointRead, RouteOptions
from dvid_framework.http.table import options_of

if TYPE_CHECKING:
    from dvid_framework.instances.datatype import Datatype

__all__ = ["help_index", "type_help"]

_TYPED = re.compile(r"\{(\w+)(:\w+)?\}")
_SKIPPED = ("request", "return")


def function_of(route: Any) -> Any:
    """Return the plain function behind a route."""
    return route.function if isinstance(route, PointRead) else route.fn


def _parameters(route: Any, options: RouteOptions) -> list[str]:
    """Return the query parameters that a handler declares, with their defaults."""
    if not isinstance(route, HTTPRouteHandler):
        return []
    path = {name for name, _ in _TYPED.findall(options.template)}
    found = []
    for name, parameter in inspect.signature(function_of(route)).parameters.items():
        if name not in path and name not in _SKIPPED:
            default = parameter.default
            found.append(name if default in (None, inspect.Parameter.empty) else f"{name} ({default})")
    return found


def _route_text(route: Any) -> str:
    options = options_of(route)
    assert options is not None
    template = _TYPED.sub(r"<\1>", options.template)
    heading = f"{options.method:6} /api/node/<uuid>/<data name>{template}"
    body = inspect.cleandoc(function_of(route).__doc__ or "")
    parameters = _parameters(route, options)
    if parameters:
        body += "\n\nQuery: " + ", ".join(parameters)
    return heading + "\n\n" + "\n".join(f"    {line}".rstrip() for line in body.splitlines())


def _address(route: Any) -> tuple[str, str]:
    options = options_of(route)
    return (options.template, options.method) if options else ("", "")


def type_help(datatype: type[Datatype], routes: Iterable[Any]) -> str:
    """Return the help of a datatype as text."""
    ordered = sorted(routes, key=_address)
    head = f"{datatype.name}, version {datatype.version}\n{'=' * 60}\n\n{datatype.help_text()}\n"
    return head + "\n\n" + "\n\n\n".join(_route_text(route) for route in ordered) + "\n"


def help_index(datatypes: Iterable[type[Datatype]]) -> str:
    """Return the HTML page that links to each type's help."""
    rows = "".join(
        f'<li><a href="/api/help/{html.escape(kind.name)}">{html.escape(kind.name)}</a>: '
        f"{html.escape(kind.help_text().partition(chr(10))[0])}</li>"
        for kind in datatypes
    )
    return (
        "<html><head><title>API help</title></head><body><h1>API help</h1>"
        "<p>Each datatype has its own page. All addresses and parameters are in the "
        f'<a href="/schema/swagger">OpenAPI pages</a>.</p><ul>{rows}</ul></body></html>'
    )

"""The ASGI application: the core's routes and the types' in one Litestar app, behind dispatch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from litestar import Litestar, Request, Router
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import SwaggerRenderPlugin
from litestar.response import Response

from dvid_framework import __version__
from dvid_framework.http import (
    following,
    routes_access,
    routes_help,
    routes_jobs,
    routes_node,
    routes_removal,
    routes_repo,
    routes_server,
)
from dvid_framework.http.call import CALL, Call, ClientGone, CoreRequest, InstanceRequest
from dvid_framework.http.dispatch import Dispatch
from dvid_framework.http.errors import error_answer
from dvid_framework.http.routes_instance import shared_routes
from dvid_framework.http.routing import PointRead, RouteOptions
from dvid_framework.http.table import MOUNT, CoreTable, TypeTable, options_of
from dvid_framework.instances.datatype import Datatype

if TYPE_CHECKING:
    from dvid_framework.server import Server

__all__ = ["build_app", "core_routes", "routes_of_type"]


_PARTS = (
    routes_server,
    routes_access,
    routes_repo,
    routes_node,
    routes_jobs,
    routes_removal,
    following,
    routes_help,
)


def core_routes() -> list[Any]:
    """Return the routes at fixed addresses."""
    return [route for part in _PARTS for route in part.ROUTES]


def routes_of_type(datatype: type[Datatype]) -> list[Any]:
    """Return a type's own routes and those that the core gives it; its own win where both have one."""
    own = list(datatype.routes)
    taken = {(options.method, options.template) for options in map(options_of, own) if options}
    return own + [
        route
        for route in shared_routes(datatype)
        if (chosen := options_of(route)) and (chosen.method, chosen.template) not in taken
    ]


def _answer_exception(request: Request[Any, Any, Any], error: Exception) -> Any:
    """Turn what a handler raised into an answer."""
    call: Call | None = request.scope.get(CALL)  # type: ignore[assignment]
    if isinstance(error, ClientGone):
        raise error
    below = call is not None and call.instance is not None
    return error_answer(error, call.path if call else request.url.path, below)


def _openapi_paths(app: Litestar) -> None:
    """Show the types' routes in OpenAPI at their public addresses, with the type's name for the instance's."""
    schema = app.openapi_schema
    paths: dict[str, Any] = {}
    for path, item in (schema.paths or {}).items():
        shown = path
        if path.startswith(MOUNT + "/"):
            kind, _, rest = path[len(MOUNT) + 1 :].partition("/")
            shown = f"/api/node/{{uuid}}/{{{kind}}}/{rest}"
        paths[shown] = item
    schema.paths = paths


def _documented(point: PointRead) -> Any:
    """Return a Litestar handler that stands for a point read in OpenAPI, and answers like it."""
    from litestar import get as litestar_get  # noqa: PLC0415 - only for the stand-ins

    options: RouteOptions = point.options

    async def stand_in() -> Response[str]:
        return Response("", media_type="text/plain")

    stand_in.__doc__ = point.function.__doc__
    stand_in.__name__ = point.function.__name__
    return litestar_get(options.template)(stand_in)


def build_app(server: Server) -> tuple[Dispatch, Litestar]:
    """Put the application together.

    Args:
        server: the server with its plugins loaded.

    Returns:
        The outermost ASGI application, and the Litestar app inside it.
    """
    fixed = core_routes()
    mounts, tables = [], {}
    for name, datatype in server.datatypes.items():
        routes = routes_of_type(datatype)
        tables[name] = TypeTable(name, routes)
        handlers = [_documented(route) if isinstance(route, PointRead) else route for route in routes]
        mounts.append(Router(f"{MOUNT}/{name}", route_handlers=handlers, request_class=InstanceRequest, tags=[name]))
    core_handlers = [_documented(route) if isinstance(route, PointRead) else route for route in fixed]
    core = Router("/", route_handlers=core_handlers, request_class=CoreRequest, tags=["core"])
    app = Litestar(
        route_handlers=[core, *mounts, *server.plugins.routes(server)],
        exception_handlers={Exception: _answer_exception},
        request_max_body_size=None,
        openapi_config=OpenAPIConfig(
            title="DVID", version=__version__, render_plugins=[SwaggerRenderPlugin()], path="/schema"
        ),
        logging_config=None,
    )
    _openapi_paths(app)
    outside = {route.path.split("/")[1] for route in app.routes if not route.path.startswith((MOUNT, "/api/"))}
    pages = [[first] for first in sorted(outside - {""})]
    return Dispatch(server, app, CoreTable(fixed), tables, pages), app

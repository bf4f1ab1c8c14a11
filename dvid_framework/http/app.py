"""The ASGI application: dispatch with the routes of the core and of the types, and a Litestar app for the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from litestar import Litestar, Request, Router

from dvid_framework.http.all_routes import core_routes, routes_of_type
from dvid_framework.http.call import CALL, Call, ClientGone, CoreRequest, InstanceRequest
from dvid_framework.http.dispatch import Dispatch
from dvid_framework.http.documentation import Documentation
from dvid_framework.http.errors import error_answer
from dvid_framework.http.table import MOUNT, CoreTable, TypeTable

if TYPE_CHECKING:
    from dvid_framework.server import Server

__all__ = ["build_app"]


def answer_exception(request: Request[Any, Any, Any], error: Exception) -> Any:
    """Turn what a handler raised into an answer."""
    call: Call | None = request.scope.get(CALL)  # type: ignore[assignment]
    if isinstance(error, ClientGone):
        raise error
    below = call is not None and call.instance is not None
    return error_answer(error, call.path if call else request.url.path, below)


def build_app(server: Server) -> Dispatch:
    """Put the application together.

    Args:
        server: the server with its plugins loaded.

    Returns:
        The outermost ASGI application. Behind it a Litestar app has what dispatch does not call itself: routes of
        plugins that belong to no instance, and those that use more of Litestar.
    """
    core = CoreTable(core_routes())
    tables = {name: TypeTable(name, routes_of_type(datatype)) for name, datatype in server.datatypes.items()}
    outside = server.plugins.routes(server)
    mounts = [
        Router(f"{MOUNT}/{name}", route_handlers=table.for_litestar, request_class=InstanceRequest)
        for name, table in tables.items()
    ]
    app = Litestar(
        route_handlers=[Router("/", route_handlers=core.for_litestar, request_class=CoreRequest), *mounts, *outside],
        exception_handlers={Exception: answer_exception},
        request_max_body_size=None,
        openapi_config=None,
        logging_config=None,
    )
    pages = {route.path.split("/")[1] for route in app.routes if not route.path.startswith((MOUNT, "/api/"))}
    documentation = Documentation(server, outside)
    return Dispatch(server, app, core, tables, [[first] for first in sorted(pages - {""})], documentation)

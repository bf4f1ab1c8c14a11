"""The OpenAPI pages below `/schema`: Litestar makes them from all routes, once somebody asks for them.

Litestar takes as long to know some hundred routes as the rest of a server to start; dispatch calls them without it.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from litestar import Litestar, Router
from litestar import get as litestar_get
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import SwaggerRenderPlugin
from litestar.response import Response
from litestar.types import Receive, Scope, Send

from dvid_framework import __version__
from dvid_framework.http.all_routes import core_routes, routes_of_type
from dvid_framework.http.call import CoreRequest, InstanceRequest
from dvid_framework.http.routing import PointRead, RouteOptions
from dvid_framework.http.table import MOUNT

if TYPE_CHECKING:
    from dvid_framework.server import Server

__all__ = ["Documentation"]


class Documentation:
    """Answers below `/schema`.

    Args:
        server: the server.
        outside: the routes of plugins that belong to no instance.
    """

    def __init__(self, server: Server, outside: Sequence[Any]) -> None:
        self._server = server
        self._outside = outside
        self._lock = threading.Lock()
        self._app: Litestar | None = None

    def app(self) -> Litestar:
        """Return a Litestar app that has all routes; it is made at first use, which takes a second."""
        with self._lock:
            if self._app is None:
                self._app = _documented_app(self._server, self._outside)
            return self._app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        app = await asyncio.to_thread(self.app)
        await app(scope, receive, send)


def _documented_app(server: Server, outside: Sequence[Any]) -> Litestar:
    mounts = [
        Router(
            f"{MOUNT}/{name}",
            route_handlers=[_documented(route) for route in routes_of_type(datatype)],
            request_class=InstanceRequest,
            tags=[name],
        )
        for name, datatype in server.datatypes.items()
    ]
    core = Router("/", route_handlers=[*map(_documented, core_routes())], request_class=CoreRequest, tags=["core"])
    app = Litestar(
        route_handlers=[core, *mounts, *outside],
        openapi_config=OpenAPIConfig(
            title="DVID", version=__version__, render_plugins=[SwaggerRenderPlugin()], path="/schema"
        ),
        logging_config=None,
    )
    _openapi_paths(app)
    return app


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


def _documented(route: Any) -> Any:
    """Return a route as it is, and for a point read, which is none of Litestar's, one that stands for it."""
    if not isinstance(route, PointRead):
        return route
    options: RouteOptions = route.options

    async def stand_in() -> Response[str]:
        return Response("", media_type="text/plain")

    stand_in.__doc__ = route.function.__doc__
    stand_in.__name__ = route.function.__name__
    return litestar_get(options.template)(stand_in)

"""All routes: those of the core, and of a type those that it has itself and those that the core gives it."""

from __future__ import annotations

from typing import Any

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
from dvid_framework.http.routes_instance import shared_routes
from dvid_framework.http.table import options_of
from dvid_framework.instances.datatype import Datatype

__all__ = ["core_routes", "routes_of_type"]

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

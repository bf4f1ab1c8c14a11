"""The HTTP addresses below an instance."""

from __future__ import annotations

from dvid_neuronjson.routes.keys import KEY_ROUTES
from dvid_neuronjson.routes.lists import LIST_ROUTES
from dvid_neuronjson.routes.queries import QUERY_ROUTES
from dvid_neuronjson.routes.schemas import SCHEMA_ROUTES

__all__ = ["ROUTES"]

ROUTES = (*KEY_ROUTES, *LIST_ROUTES, *QUERY_ROUTES, *SCHEMA_ROUTES)

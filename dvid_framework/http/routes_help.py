"""Routes of the help pages."""

from __future__ import annotations

from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from dvid_framework.errors import BadRequest
from dvid_framework.http.answers import Answer, binary, text_answer
from dvid_framework.http.call import CoreRequest
from dvid_framework.http.help import help_index, type_help
from dvid_framework.http.routing import get

__all__ = ["ROUTES"]


@get("/api/help")
async def index(request: CoreRequest) -> Answer:
    """Return a page that links to the help of each datatype."""
    page = help_index(request.server.datatypes.values())
    return binary(page.encode(), "text/html; charset=utf-8")


@get("/api/help/{type_name:str}")
async def help_of_type(request: CoreRequest, type_name: FromPath[str]) -> Answer:
    """Return the help of a datatype as text."""
    datatype = request.server.datatypes.get(type_name)
    if datatype is None:
        raise BadRequest(f"there is no datatype {type_name!r}; installed are {', '.join(request.server.datatypes)}")
    return text_answer(type_help(datatype, request.server.routes_of(datatype)))


ROUTES: list[HTTPRouteHandler] = [index, help_of_type]

"""Routes that dispatch calls itself answer as those that go through Litestar."""

from __future__ import annotations

import sys
from collections.abc import Iterable

import pytest
from litestar.exceptions import HTTPException

from dvid_framework.api import (
    Answer,
    Conflict,
    Datatype,
    FromPath,
    FromQuery,
    Instance,
    InstanceRequest,
    get,
    hookimpl,
    json_answer,
    post,
)
from dvid_framework.http.table import TypeTable
from dvid_framework.plugins import Plugins
from dvid_framework.testing.client import Client
from dvid_framework.testing.pytest_plugin import ServerFactory
from dvid_framework.testing.running import ServerThread


class EchoInstance(Instance):
    """Nothing."""


_Request = InstanceRequest[EchoInstance]


@get("/direct/{key:str}/{more:str}")
async def direct_get(
    request: _Request, more: FromPath[str], key: FromPath[str], needed: FromQuery[str], x: FromQuery[str | None] = None
) -> Answer:
    """Return what came."""
    return json_answer([request.method, key, more, needed, x])


@get("/litestar/{key:str}/{more:str}", summary="an option of Litestar's own")
async def litestar_get(
    request: _Request, more: FromPath[str], key: FromPath[str], needed: FromQuery[str], x: FromQuery[str | None] = None
) -> Answer:
    """Return what came."""
    return json_answer([request.method, key, more, needed, x])


@get("/number/{key:int}")
async def number(request: _Request, key: FromPath[int]) -> Answer:
    """Return a number and one more."""
    return json_answer([request.method, key + 1])


@post("/fail/{how:str}", mutates=False)
async def fail(request: _Request, how: FromPath[str]) -> Answer:
    """Fail in the way that is named."""
    body = await request.read_body(100)
    raise {"conflict": Conflict(body.decode()), "http": HTTPException("no", status_code=418)}.get(how) or KeyError(how)


class Echo(Datatype):
    """Says what it was asked."""

    name = "echo"
    url = "github.com/example/echo"
    instance = EchoInstance
    routes = (direct_get, litestar_get, number, fail)


@hookimpl
def dvid_datatypes() -> Iterable[type[Datatype]]:
    return [Echo]


@pytest.fixture
def server(dvid_server: ServerFactory) -> ServerThread:

    return dvid_server(plugins=Plugins({"echo": sys.modules[__name__]}, discover=False))


@pytest.fixture
def address(server: ServerThread) -> str:
    root = server.client.new_repo()
    server.client.new_instance(root, "echo", "e")
    return f"/api/node/{root}/e"


@pytest.mark.parametrize("way", ["direct", "litestar"])
def test_texts_come_as_they_were_sent(server: ServerThread, address: str, way: str) -> None:
    got = server.client.get(f"{address}/{way}/a%20b%c3%a9/c+d/and/more?needed=%20e+f&x=")
    assert got.json() == ["GET", "a b\u00e9", "c+d", " e f", ""]
    assert server.client.get(f"{address}/{way}/a/b?needed=1").json() == ["GET", "a", "b", "1", None]
    head = server.client.head(f"{address}/{way}/a/b?needed=1")
    assert (head.status, head.body, head.headers["content-length"]) == (200, b"", "24")


@pytest.mark.parametrize("way", ["direct", "litestar"])
def test_what_is_missing_is_named(server: ServerThread, address: str, way: str) -> None:
    reply = server.client.get(f"{address}/{way}/a/b?x=1")
    assert reply.status == 400
    assert "needed" in reply.text
    assert server.client.get(f"{address}/{way}/a").status == 400


def test_of_several_values_the_first_counts(server: ServerThread, address: str) -> None:
    assert server.client.get(f"{address}/direct/a/b?needed=1&needed=2&x=3&x=4").json()[3:] == ["1", "3"]


def test_other_types_are_litestars(server: ServerThread, address: str) -> None:
    assert server.client.json(f"{address}/number/41") == ["GET", 42]
    assert server.client.get(f"{address}/number/x").status == 400


def test_errors_are_answered(server: ServerThread, address: str) -> None:
    reply = server.client.post(f"{address}/fail/conflict", "said so")
    assert (reply.status, reply.text.startswith("said so (")) == (409, True)
    assert server.client.post(f"{address}/fail/http").status == 418
    assert server.client.post(f"{address}/fail/otherwise").status == 500
    assert server.client.post(f"{address}/fail/conflict", "x" * 200).status == 413


def test_each_route_is_called_in_one_way() -> None:
    table = TypeTable("echo", Echo.routes)
    assert table.for_litestar == [litestar_get, number]


def test_all_routes_of_installed_types_are_direct(dvid_server: ServerFactory) -> None:
    dispatch = dvid_server().server.app
    assert [name for name, table in dispatch._types.items() if table.for_litestar] == []
    assert dispatch._core.for_litestar == []


def test_the_pages_about_routes_are_made_when_somebody_asks(client: Client, tiny_server: ServerThread) -> None:
    documentation = tiny_server.server.app.documentation
    assert documentation._app is None
    assert client.get("/schema").status == 200
    assert client.head("/schema/openapi.json").status == 200
    assert documentation.app() is documentation.app()

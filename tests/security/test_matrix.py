"""The auth matrix: each route lets in or refuses each caller as a table says. A route without a row fails."""

from __future__ import annotations

import json
import time
from http import HTTPStatus
from pathlib import Path
from typing import Any

import jwt
import pytest

from dvid_framework.config import AuthSettings, Config
from dvid_framework.http.access.tokens import SECRET
from dvid_framework.http.all_routes import routes_of_type
from dvid_framework.http.dispatch import Dispatch
from dvid_framework.http.table import MOUNT, options_of
from dvid_framework.plugins import Plugins
from dvid_framework.server import Server
from dvid_framework.testing import tiny
from dvid_framework.testing.client import Client, Reply
from dvid_framework.testing.gateway import FakeGateway
from dvid_framework.testing.jobs import wait_for_job
from dvid_framework.testing.pytest_plugin import ServerFactory

ADMIN = "the-admin-token"
KEY = "a secret that is long enough for sha-256 and more"
MINE, OTHERS = "c0de0000000000000000000000000a01", "c0de0000000000000000000000000b01"
BLOB = "bGInLge7AUJiuCF1YpXFjQ=="

# What each route asks for: nothing, the right to read or write the repo, or an administrator.
OPEN, READ, WRITE, ADMINS = "open", "read", "write", "admins"
CORE = {
    ("DELETE", "/api/repo/{uuid:str}"): ADMINS,
    ("DELETE", "/api/repo/{uuid:str}/branch/{branch:str}"): ADMINS,
    ("DELETE", "/api/repo/{uuid:str}/instance/{name:str}"): ADMINS,
    ("GET", "/"): OPEN,
    ("GET", "/api/heartbeat"): OPEN,
    ("GET", "/api/help"): OPEN,
    ("GET", "/api/help/{type_name:str}"): OPEN,
    ("GET", "/api/jobs"): OPEN,  # filtered
    ("GET", "/api/jobs/{job:str}"): OPEN,  # 404 for who may not read its repo
    ("GET", "/api/load"): OPEN,
    ("GET", "/api/node/{uuid:str}/commit"): READ,
    ("GET", "/api/node/{uuid:str}/log"): READ,
    ("GET", "/api/node/{uuid:str}/note"): READ,
    ("GET", "/api/node/{uuid:str}/status"): READ,
    ("GET", "/api/repo/{uuid:str}/branch-versions/{branch:str}"): READ,
    ("GET", "/api/repo/{uuid:str}/info"): READ,
    ("GET", "/api/repo/{uuid:str}/log"): READ,
    ("GET", "/api/repos/info"): OPEN,  # filtered
    ("GET", "/api/server/compiled-types"): OPEN,
    ("GET", "/api/server/config"): ADMINS,
    ("GET", "/api/server/followers"): OPEN,  # filtered
    ("GET", "/api/server/groupcache"): OPEN,
    ("GET", "/api/server/info"): OPEN,
    ("GET", "/api/server/note"): OPEN,
    ("GET", "/api/server/plugins"): OPEN,
    ("GET", "/api/server/token"): OPEN,
    ("GET", "/api/server/types"): OPEN,
    ("GET", "/api/storage"): ADMINS,
    ("GET", "/api/user-latencies"): OPEN,
    ("GET", "/interface"): OPEN,
    ("GET", "/interface/version"): OPEN,
    ("HEAD", "/api/repo/{uuid:str}"): READ,
    ("POST", "/api/jobs/{job:str}/cancel"): WRITE,
    ("POST", "/api/jobs/{job:str}/resume"): WRITE,
    ("POST", "/api/node/{uuid:str}/branch"): WRITE,
    ("POST", "/api/node/{uuid:str}/commit"): WRITE,
    ("POST", "/api/node/{uuid:str}/log"): WRITE,
    ("POST", "/api/node/{uuid:str}/newversion"): WRITE,
    ("POST", "/api/node/{uuid:str}/note"): WRITE,
    ("POST", "/api/node/{uuid:str}/tag"): WRITE,
    ("POST", "/api/repo/{uuid:str}/info"): WRITE,
    ("POST", "/api/repo/{uuid:str}/branch/{branch:str}/rename"): ADMINS,
    ("POST", "/api/repo/{uuid:str}/instance"): WRITE,
    ("POST", "/api/repo/{uuid:str}/instance/{name:str}/rename"): ADMINS,
    ("POST", "/api/repo/{uuid:str}/log"): WRITE,
    ("POST", "/api/repo/{uuid:str}/merge"): WRITE,
    ("POST", "/api/repo/{uuid:str}/rename"): ADMINS,
    ("POST", "/api/repo/{uuid:str}/resolve"): WRITE,
    ("POST", "/api/repos"): ADMINS,
    ("POST", "/api/server/reload-auth"): ADMINS,
    ("POST", "/api/server/reload-blocklist"): ADMINS,
    ("POST", "/api/server/settings"): ADMINS,
}
TINY = {
    ("DELETE", "/pair/{key:str}"): WRITE,
    ("GET", "/blobstore/{reference:str}"): READ,
    ("GET", "/help"): READ,
    ("GET", "/info"): READ,
    ("GET", "/jobs"): READ,
    ("GET", "/mutations"): READ,
    ("GET", "/mutations-range/{first:str}/{last:str}"): READ,
    ("GET", "/pair/{key:str}"): READ,
    ("GET", "/pairs"): READ,
    ("GET", "/tags"): READ,
    ("POST", "/append"): WRITE,
    ("POST", "/blobstore"): WRITE,
    ("POST", "/count"): WRITE,
    ("POST", "/info"): WRITE,
    ("POST", "/pair/{key:str}"): WRITE,
    ("POST", "/pairs"): WRITE,
    ("POST", "/tags"): WRITE,
}
# Who is let in by each mode, beside administrators; others are refused with the statuses beside.
CALLERS = ("none", "bad", "expired", "reader", "writer of another repo", "writer", "admin")
# Routes of installed types ask for what their method says; these want an administrator of the repo besides.
# Types of which no instance can be made without somebody's service. Dispatch guards their routes as all others.
NEEDS_A_SERVICE = {"googlevoxels"}
SETTINGS = {"tarsupervoxels": {"Extension": "drc"}}  # what instances can't be made without
TYPES_ADMINS = {
    ("labelmap", "POST", "/maxlabel/{label:str}"),
    ("labelmap", "POST", "/set-nextlabel/{label:str}"),
}
# Routes that plugins add outside of instances: theirs to guard, and named here so that none comes unseen.
OUTSIDE = {"/schema", "/schema/oauth2-redirect.html", "/schema/openapi.json", "/schema/swagger", "/schema/{path:str}"}
EVERYONE = frozenset(CALLERS)
USERS = frozenset({"reader", "writer of another repo", "writer", "admin"})
_BY_REPO = {OPEN: EVERYONE, READ: {"reader", "writer", "admin"}, WRITE: {"writer", "admin"}, ADMINS: {"admin"}}
LET_IN = {
    "token": {OPEN: EVERYONE, READ: USERS, WRITE: USERS, ADMINS: {"admin"}},  # tokens that claim no roles
    "roles": _BY_REPO,
    "authfile": _BY_REPO,
    "dsg": _BY_REPO,
}
REFUSED = {"token": {400}, "roles": {400}, "authfile": {400}, "dsg": {401, 403}}
ROLES = {
    "reader": {MINE: "read"},
    "writer of another repo": {OTHERS: "readwrite"},
    "writer": {MINE: "readwrite", "*": "read"},
    "admin": "admin",
}
GATEWAY_USERS = {
    "reader": {"permissions_v2": {"mine": ["view"]}},
    "writer": {"permissions_v2": {"mine": ["view", "edit"]}},
    "writer-of-another-repo": {"permissions_v2": {"others": ["view", "edit"]}},
    "admin": {"admin": True},
}


def row_of(below: bool, method: str, template: str) -> str:
    """Return what a route asks for by the tables; HEAD asks for what GET does."""
    table = TINY if below else CORE
    return table.get((method, template)) or table["GET" if method == "HEAD" else method, template]


def _token(user: str, **claims: Any) -> dict[str, str]:
    return {"Authorization": f"Bearer {jwt.encode({'user': user, **claims}, KEY, 'HS256')}"}


def headers_of(mode: str, caller: str) -> dict[str, str]:
    """Return what a caller sends. A gateway knows its own tokens, and none that is bad or expired."""
    if caller == "none":
        return {}
    if mode == "dsg":
        return {"Authorization": f"Bearer {caller.replace(' ', '-')}"}
    if caller == "bad":
        return {"Authorization": f"Bearer {jwt.encode({'user': 'writer'}, KEY + '!', 'HS256')}"}
    roles = {"roles": ROLES.get(caller, "admin")} if mode == "roles" else {}
    if caller == "expired":
        return _token("writer", exp=int(time.time()) - 100, **roles)
    return _token(caller, **roles)


def settings_of(mode: str, folder: Path, gateway: str) -> AuthSettings:
    """Return the section [auth] of a mode."""
    (folder / "users.json").write_text(json.dumps(ROLES))
    return AuthSettings(
        enforce="token" if mode == "roles" else mode,
        auth_file=str(folder / "users.json"),
        dsg_address=gateway,
        dataset_map={MINE: "mine", OTHERS: "others"},
    )


def _prepare(client: Client) -> str:
    """Make two repos; returns the id of a job of the first one."""
    for root in (MINE, OTHERS):
        client.post("/api/repos", {"root": root}).ok()
        client.new_instance(root, "tiny", "t")
    assert client.post(f"/api/node/{MINE}/t/blobstore", b"").json()["reference"] == BLOB
    job = str(client.post(f"/api/node/{MINE}/t/append", b"x").ok().json()["job"])
    wait_for_job(client, job)
    return job


def _routes(app: Dispatch) -> list[tuple[bool, str, str]]:
    core = [(False, *route) for route in app._core.routes()]
    return core + [(True, *route) for route in app._types["tiny"].routes()]


def _ask(
    client: Client, below: bool, method: str, template: str, headers: dict[str, str], job: str, admin: bool
) -> Reply:
    path = (f"/api/node/{MINE}/t{template}" if below else template).replace("{job:str}", job)
    for name, value in {"uuid": MINE, "branch": "master", "type_name": "tiny", "first": MINE, "last": MINE}.items():
        path = path.replace(f"{{{name}:str}}", value)
    path = path.replace("{key:str}", "a").replace("{reference:str}", BLOB)
    path += f"?admintoken={ADMIN}" if admin else ""
    return client.request(method, path, b"not json", headers)


_WHY = ("a token", "token is not valid", "token may not", "admin token", "you may not", "no dataset")


def _let_in(mode: str, asked: str, method: str, reply: Reply) -> bool:
    """Tell whether a reply is none of a refusal; one to a body that is no JSON, or the like, does not count as one."""
    refusing = REFUSED[mode] | ({400} if asked == ADMINS else set())
    told = any(words in reply.text.rpartition(" (")[0] for words in _WHY)
    return not (reply.status in refusing and (told or (method == "HEAD" and asked != OPEN)))


@pytest.mark.parametrize("mode", LET_IN)
def test_every_route_lets_in_whom_the_table_says(
    mode: str, dvid_server: ServerFactory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gateway: FakeGateway
) -> None:
    monkeypatch.setenv(SECRET, KEY)
    plugins = Plugins({"tiny": tiny}, discover=False)
    gateway.users.update(GATEWAY_USERS)
    plain = dvid_server(tmp_path / "data", plugins=plugins)
    job = _prepare(plain.client)
    plain.stop()
    config = Config(auth=settings_of(mode, tmp_path, gateway.url))
    server = dvid_server(tmp_path / "data", config=config, plugins=plugins, admin_token=ADMIN)
    wrong = []
    for below, method, template in _routes(server.server.app):
        asked = row_of(below, method, template)
        for caller in CALLERS:
            reply = _ask(server.client, below, method, template, headers_of(mode, caller), job, caller == "admin")
            if _let_in(mode, asked, method, reply) != (caller in LET_IN[mode][asked]):
                wrong.append((method, template, caller, reply.status, reply.body[:80]))
    assert wrong == []


def test_every_route_has_a_row_and_every_row_a_route(dvid_server: ServerFactory) -> None:
    server = dvid_server(plugins=Plugins({"tiny": tiny}, discover=False))
    routes = _routes(server.server.app)
    for route in routes:
        row_of(*route)
    expected = {(False, *route) for route in CORE} | {(True, *route) for route in TINY}
    assert expected <= set(routes)


def test_routes_outside_of_instances_are_known(dvid_server: ServerFactory) -> None:
    server = dvid_server().server
    core = {template for _, template in server.app._core.routes()}
    paths = {route.path for route in server.litestar.routes if not route.path.startswith(MOUNT)}
    assert paths - core == OUTSIDE


def _routes_of_types(server: Server) -> list[tuple[str, str, str]]:
    """Return type, method and template of every route of every installed type."""
    return [
        (name, method, template)
        for name, table in server.app._types.items()
        if name != "tiny" and name not in NEEDS_A_SERVICE
        for method, template in table.routes()
    ]


def test_what_mutates_is_never_asked_for_by_a_method_that_reads(dvid_server: ServerFactory) -> None:
    for datatype in dvid_server().server.datatypes.values():
        for options in map(options_of, routes_of_type(datatype)):
            assert options is not None
            assert not options.mutates or {"GET", "HEAD", "OPTIONS"}.isdisjoint(options.methods), options


@pytest.mark.parametrize("mode", ["roles", "dsg"])
def test_routes_of_installed_types_ask_for_what_their_method_says(
    mode: str, dvid_server: ServerFactory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gateway: FakeGateway
) -> None:
    monkeypatch.setenv(SECRET, KEY)
    gateway.users.update(GATEWAY_USERS)
    plain = dvid_server(tmp_path / "data")
    for root in (MINE, OTHERS):
        plain.client.post("/api/repos", {"root": root}).ok()
    refused = set()
    for name in plain.server.datatypes:
        created = plain.client.post(
            f"/api/repo/{MINE}/instance", {"typename": name, "dataname": name} | SETTINGS.get(name, {})
        )
        refused |= {name} if created.status != HTTPStatus.OK else set()
    assert refused == NEEDS_A_SERVICE & set(plain.server.datatypes)
    plain.stop()
    config = Config(auth=settings_of(mode, tmp_path, gateway.url))
    client = (server := dvid_server(tmp_path / "data", config=config, admin_token=ADMIN)).client
    wrong, admins = [], set()
    blind = {"HEAD"} if mode == "roles" else set()  # no text, and 400 for whatever is wrong
    for name, method, template in _routes_of_types(server.server):
        asked = READ if method in ("GET", "HEAD", "OPTIONS") else WRITE
        path = f"/api/node/{MINE}/{name}{template}"
        for caller in CALLERS:
            reply = client.request(method, path, b"x", headers_of(mode, caller))
            if caller == "writer" and b"needs the admin token" in reply.body:
                admins.add((name, method, template))
            elif method in blind and caller in LET_IN[mode][asked]:
                continue
            elif _let_in(mode, asked, method, reply) != (caller in LET_IN[mode][asked]):
                wrong.append((name, method, template, caller, reply.status, reply.body[:80]))
    assert wrong == []
    assert admins == {row for row in TYPES_ADMINS if row[0] in server.server.datatypes}

"""Answers that may be kept: tags, gzip for those who take it, and who may keep them for how long."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jwt
import pytest

from dvid_framework.api import Answer, Datatype, Instance, InstanceRequest, cacheable, cacheable_json, get, hookimpl
from dvid_framework.config import AuthSettings, Config
from dvid_framework.plugins import Plugins
from dvid_framework.testing.client import Reply
from dvid_framework.testing.running import ServerThread

KEY = "a secret that is long enough for sha-256"
BODY = b"0123456789" * 100


@get("/file")
async def file(request: InstanceRequest[Instance]) -> Answer:
    """Return bytes."""
    return cacheable(request.call, BODY, "application/x-test", gzip=True)


@get("/document")
async def document(request: InstanceRequest[Instance]) -> Answer:
    """Return JSON."""
    return cacheable_json(request.call, {"a": 1})


class Files(Datatype):
    """Files for tests."""

    name = "files"
    instance = Instance
    routes = (file, document)


class FilesPlugin:
    @hookimpl
    def dvid_datatypes(self) -> list[type[Datatype]]:
        return [Files]


@pytest.fixture
def ask(dvid_server: Callable[..., ServerThread]) -> Callable[..., Reply]:
    server = dvid_server(plugins=Plugins({"files": FilesPlugin()}, discover=False))
    root = server.client.new_repo()
    server.client.new_instance(root, "files", "f")
    server.client.new_instance(root, "files", "shared", versioned="false")

    def request(name: str, instance: str = "f", method: str = "GET", **headers: str) -> Reply:
        fields = {key.replace("_", "-"): value for key, value in headers.items()}
        return server.client.request(method, f"/api/node/{root}/{instance}/{name}", None, fields)

    request.commit = lambda: server.client.commit(root)  # type: ignore[attr-defined]
    return request


def test_a_tag_names_the_bytes(ask: Callable[..., Reply]) -> None:
    plain = ask("file").ok()
    assert (plain.body, plain.headers["content-type"]) == (BODY, "application/x-test")
    tag = plain.headers["etag"]
    for wanted in (tag, f"W/{tag}", f'"x", {tag}', "*"):
        kept = ask("file", if_none_match=wanted)
        assert (kept.status, kept.body, kept.headers["etag"]) == (304, b"", tag)
        assert kept.headers["cache-control"] == plain.headers["cache-control"]
    assert ask("file", if_none_match='"x"').status == 200
    assert ask("document").ok().json() == {"a": 1}
    assert ask("document").headers["etag"] != tag
    assert "vary" not in ask("document").headers


@pytest.mark.parametrize("accepted", ["gzip", "br, GZIP ;q=0.1", "*", "x-gzip"])
def test_gzip_for_those_who_take_it(ask: Callable[..., Reply], accepted: str) -> None:
    packed = ask("file", accept_encoding=accepted).ok()
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.headers["vary"] == "Accept-Encoding"
    assert gzip.decompress(packed.body) == BODY
    assert int(packed.headers["content-length"]) == len(packed.body) < len(BODY)
    tag = packed.headers["etag"]
    assert tag != ask("file").headers["etag"]
    kept = ask("file", accept_encoding=accepted, if_none_match=tag)
    assert kept.status == 304
    assert kept.headers["vary"] == "Accept-Encoding"
    head = ask("file", method="HEAD", accept_encoding=accepted)
    assert (head.status, head.body, head.headers["content-length"]) == (200, b"", packed.headers["content-length"])


@pytest.mark.parametrize("accepted", ["identity", "gzip;q=0", "gzip; q=0.000", "*;q=0", "br", ""])
def test_no_gzip_for_others(ask: Callable[..., Reply], accepted: str) -> None:
    reply = ask("file", accept_encoding=accepted).ok()
    assert reply.body == BODY
    assert "content-encoding" not in reply.headers
    assert reply.headers["vary"] == "Accept-Encoding"


def test_committed_versions_may_be_kept(ask: Any) -> None:
    assert ask("file").headers["cache-control"] == "public, no-cache"
    ask.commit()
    assert ask("file").headers["cache-control"] == "public, max-age=86400, immutable"
    assert ask("file", "shared").headers["cache-control"] == "public, no-cache", "unversioned data changes"


def test_nobody_else_keeps_what_is_guarded(
    dvid_server: Callable[..., ServerThread], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DVID_JWT_SECRET_KEY", KEY)
    (tmp_path / "users.json").write_text('{"*": "readwrite"}')
    config = Config(auth=AuthSettings(enforce="authfile", auth_file="users.json"), folder=str(tmp_path))
    plugins = Plugins({"files": FilesPlugin()}, discover=False)
    client = dvid_server(config=config, plugins=plugins, admin_token="admin").client
    bearer = {"Authorization": f"Bearer {jwt.encode({'user': 'w@x.org'}, KEY, 'HS256')}"}
    root = client.post("/api/repos?admintoken=admin", {}).ok().json()["root"]
    client.request("POST", f"/api/repo/{root}/instance", {"typename": "files", "dataname": "f"}, bearer).ok()
    reply = client.request("GET", f"/api/node/{root}/f/file", headers=bearer).ok()
    assert reply.headers["cache-control"] == "private, no-cache"

"""The mode `dsg`: a DatasetGateway is asked once about a user, its answer is kept, and nobody else waits for it."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import pytest

from dvid_framework.config import AuthSettings, Config, ServerSettings
from dvid_framework.errors import BadRequest
from dvid_framework.plugins import Plugins
from dvid_framework.server import Server
from dvid_framework.testing import tiny
from dvid_framework.testing.gateway import FakeGateway
from dvid_framework.testing.pytest_plugin import ServerFactory
from dvid_framework.testing.running import ServerThread

ROOT = "c0de0000000000000000000000000a01"
PATH = f"/api/node/{ROOT}/t/pair/a"


def _plugins() -> Plugins:
    return Plugins({"tiny": tiny}, discover=False)


@pytest.fixture
def start(dvid_server: ServerFactory, tmp_path: Path, gateway: FakeGateway):
    plain = dvid_server(tmp_path / "data", plugins=_plugins())
    plain.client.post("/api/repos", {"root": ROOT}).ok()
    plain.client.new_instance(ROOT, "tiny", "t")
    plain.client.post(PATH, b"1").ok()
    plain.stop()
    gateway.users.update(
        editor={"permissions_v2": {"brain": ["view", "edit"]}},
        viewer={"permissions_v2": {"brain": ["view"]}},
        admin={"admin": True},
    )

    def run(server: ServerSettings | None = None, **auth: Any) -> ServerThread:
        given = {"enforce": "dsg", "dsg_address": gateway.url, "dataset_map": {ROOT: "brain"}, **auth}
        config = Config(auth=AuthSettings(**given), server=server or ServerSettings())
        return dvid_server(tmp_path / "data", config=config, plugins=_plugins())

    return run


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def test_an_answer_is_kept_until_it_is_old_or_forgotten(start, gateway: FakeGateway) -> None:
    client = start(dsg_cache_ttl=0.5).client
    for _ in range(3):
        assert client.get(PATH, **_bearer("viewer")).status == 200
    assert gateway.asked == ["viewer"]
    time.sleep(0.6)
    assert client.get(PATH, **_bearer("viewer")).status == 200
    assert len(gateway.asked) == 2
    assert client.post("/api/server/reload-auth", b"", **_bearer("viewer")).status == 400
    assert client.post("/api/server/reload-auth", b"", **_bearer("admin")).status == 200
    asked = len(gateway.asked)
    client.get(PATH, **_bearer("viewer")).ok()
    assert len(gateway.asked) == asked + 1


def test_odd_answers_are_502_and_not_kept(start, gateway: FakeGateway) -> None:
    client = start().client
    gateway.odd.update(words=b"not json", list=b"[]", nobody=b"{}", wrong=b'{"email": 7}', deep=b"[" * 100_000)
    for token in ("words", "list", "nobody", "wrong", "deep", "broken", "moved"):
        assert client.get(PATH, **_bearer(token)).status == 502, token
    gateway.odd.clear()
    gateway.users["words"] = {"admin": True}
    assert client.get(PATH, **_bearer("words")).status == 200
    gateway.close()
    assert client.get(PATH, **_bearer("another")).status == 502
    assert client.get(PATH, **_bearer("words")).status == 200, "its answer is still kept"
    assert client.get("/api/repos/info", **_bearer("another")).json() == {}


def test_who_is_refused_and_how(start) -> None:
    client = start().client
    for headers in ({}, _bearer("unknown"), _bearer("two words"), _bearer("x" * 9000), {"Cookie": "other=viewer"}):
        reply = client.request("GET", PATH, None, headers)
        assert reply.status == 401
        assert reply.headers["www-authenticate"] == "Bearer"
    assert client.post(PATH, b"2", **_bearer("viewer")).status == 403
    assert client.post(PATH, b"2", **_bearer("editor")).status == 200
    assert client.get("/api/server/token").status == 400


def test_nobody_waits_for_the_gateway_but_who_asks_for_it(start, gateway: FakeGateway) -> None:
    server = start()
    gateway.delay = 1.0
    replies: list[int] = []

    def ask() -> None:
        replies.append(server.new_client().get(PATH, **_bearer("viewer")).status)

    waiting = [threading.Thread(target=ask) for _ in range(5)]
    for thread in waiting:
        thread.start()
    time.sleep(0.2)
    began = time.monotonic()
    assert server.client.get("/api/heartbeat").text == "OK"
    assert server.client.get(PATH).status == 401
    assert time.monotonic() - began < 0.7
    for thread in waiting:
        thread.join()
    assert replies == [200] * 5
    assert gateway.asked == ["viewer"], "one question for all that wait"


def test_a_cookie_mutates_from_our_pages_and_listed_ones_alone(start) -> None:
    client = start(ServerSettings(cors_domains=["example.org"])).client
    cookie = {"Cookie": "a=b; dsg_token=editor"}
    host = f"{client.host}:{client.port}"
    for origin, status in (
        (None, 200),
        (f"http://{host}", 200),
        ("https://www.example.org", 200),
        ("https://evil.example", 401),
        ("null", 401),
    ):
        headers = cookie if origin is None else {**cookie, "Origin": origin}
        assert client.request("POST", PATH, b"2", headers).status == status, origin
        assert client.request("GET", PATH, None, headers).status == 200
    headers = {**_bearer("editor"), "Origin": "https://evil.example"}
    assert client.request("POST", PATH, b"2", headers).status == 200, "no page can know a token"


def test_records_name_the_email(start) -> None:
    server = start()
    server.client.post(f"{PATH}?u=somebody", b"3", **_bearer("editor")).ok()
    instance = server.server.instances.get(server.server.repos.find(ROOT)[0], "t")
    last = list(instance.mutations(server.server.repos.find(ROOT)[1]))[-1]
    assert last.user == "editor@example.org"


@pytest.mark.parametrize("address", ["", "gateway.example.org", "ftp://gateway.example.org", "http://", "http://x:y"])
def test_an_address_that_is_no_url_stops_the_start(tmp_path: Path, address: str) -> None:
    config = Config(auth=AuthSettings(enforce="dsg", dsg_address=address))
    with pytest.raises(BadRequest, match="dsg_address"):
        Server(tmp_path, config, plugins=_plugins())
    Server(tmp_path, plugins=_plugins()).close()


def test_tokens_are_in_no_answer_and_no_log(start) -> None:
    server = start()
    for token in ("viewer", "broken", "never-heard-of-it"):
        reply = server.client.get(f"{PATH}x", **_bearer(token))
        cookie = server.client.get(f"{PATH}x", Cookie=f"dsg_token={token}")
        assert token not in reply.text + str(reply.headers) + cookie.text + str(cookie.headers)
    server.stop()
    for path in server.data.rglob("*"):
        assert not path.is_file() or b"never-heard-of-it" not in path.read_bytes(), path.name

"""What browsers are told: which pages may read answers, and what they may send."""

from __future__ import annotations

import pytest

from dvid_framework.config import AuthSettings, Config, ServerSettings
from dvid_framework.http.access.tokens import SECRET
from dvid_framework.plugins import Plugins
from dvid_framework.testing import tiny
from dvid_framework.testing.client import Client, Reply
from dvid_framework.testing.pytest_plugin import ServerFactory

LISTED, FOREIGN = "http://example.org", "http://elsewhere.net"


def _client(dvid_server: ServerFactory, origins: list[str], *, timing: bool = False, enforce: str = "none") -> Client:
    config = Config(
        server=ServerSettings(cors_domains=origins, allow_timing=timing), auth=AuthSettings(enforce=enforce)
    )
    return dvid_server(config=config, plugins=Plugins({"tiny": tiny}, discover=False)).client


def _preflight(client: Client, origin: str, path: str = "/api/node/0123/t/pair/a") -> Reply:
    headers = {
        "Origin": origin,
        "Access-Control-Request-Method": "DELETE",
        "Access-Control-Request-Headers": "authorization,content-type",
    }
    return client.request("OPTIONS", path, None, headers)


@pytest.mark.parametrize("enforce", ["none", "token"])
@pytest.mark.parametrize("origins", [["*"], [LISTED]])
def test_a_browser_may_ask_before_it_sends(
    dvid_server: ServerFactory, origins: list[str], enforce: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(SECRET, "s" * 32)
    client = _client(dvid_server, origins, enforce=enforce)
    reply = _preflight(client, LISTED)
    assert reply.status == 200
    assert reply.headers["access-control-allow-origin"] == ("*" if origins == ["*"] else LISTED)
    assert {"POST", "PUT", "DELETE"} <= set(reply.headers["access-control-allow-methods"].split(", "))
    assert {"Authorization", "Content-Type"} <= set(reply.headers["access-control-allow-headers"].split(", "))
    assert reply.headers.get("access-control-allow-credentials") == (
        "true" if enforce == "token" and origins != ["*"] else None
    )
    if origins != ["*"]:
        refused = _preflight(client, FOREIGN, "/api/server/info").headers
        assert "access-control-allow-origin" not in refused
        assert "access-control-allow-methods" not in refused


def test_plain_options_are_no_such_question(dvid_server: ServerFactory) -> None:
    client = _client(dvid_server, ["*"])
    assert client.request("OPTIONS", "/api/server/info").headers["allow"] == "GET, HEAD, OPTIONS"
    assert "access-control-allow-origin" not in _preflight(_client(dvid_server, []), LISTED, "/api/server/info").headers


def test_origins_without_auth_are_whole(dvid_server: ServerFactory) -> None:
    client = _client(dvid_server, [LISTED, "example.com"])
    for origin, shown in (
        (LISTED, LISTED),
        (FOREIGN, None),
        ("https://example.org", None),
        ("http://example.com", None),
    ):
        reply = client.get("/api/server/info", Origin=origin)
        assert reply.headers.get("access-control-allow-origin") == shown
        assert "access-control-allow-credentials" not in reply.headers
        assert reply.headers["vary"] == "Origin", "a cache must not give one page's answer to another"


def test_with_auth_the_domain_counts_and_credentials_are_allowed(
    dvid_server: ServerFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(SECRET, "s" * 32)
    client = _client(dvid_server, ["example.org", "http://whole.net:81"], enforce="token")
    for origin in ("http://example.org", "https://a.b.example.org:8443", "http://whole.net:81"):
        headers = client.get("/api/server/info", Origin=origin).headers
        assert headers["access-control-allow-origin"] == origin
        assert headers["access-control-allow-credentials"] == "true"
    for origin in ("http://evilexample.org", "http://example.org.evil.net", "http://whole.net", "null", "http://["):
        assert "access-control-allow-origin" not in client.get("/api/server/info", Origin=origin).headers
    assert client.get("/api/node/0/t/info", Origin="http://example.org").headers["access-control-allow-origin"]


def test_timing_is_allowed_below_instances_alone(dvid_server: ServerFactory) -> None:
    client = _client(dvid_server, [], timing=True)
    root = client.new_repo()
    client.new_instance(root, "tiny", "t")
    for path in (f"/api/node/{root}/t/info", f"/api/node/{root}/t/nothing"):
        assert client.get(path).headers["timing-allow-origin"] == "*"
    for path in ("/api/server/info", f"/api/node/{root}/status"):
        assert "timing-allow-origin" not in client.get(path).headers


def test_a_listed_page_may_mutate_a_local_server(dvid_server: ServerFactory) -> None:
    client = _client(dvid_server, [LISTED])
    assert client.request("POST", "/api/repos", b"{}", {"Origin": LISTED}).status == 200
    assert client.request("POST", "/api/repos", b"{}", {"Origin": FOREIGN}).status == 400
    assert client.request("POST", "/api/repos", b"{}", {"Origin": LISTED, "Host": "evil.example"}).status == 400
    anyone = _client(dvid_server, ["*"])
    assert anyone.request("POST", "/api/repos", b"{}", {"Origin": FOREIGN}).status == 400, "any page is no listed page"

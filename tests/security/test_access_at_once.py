"""What is answered without a task is answered to those alone who may have it, whatever the connection sent before."""

from __future__ import annotations

from collections.abc import Sequence

import jwt
import pytest

from dvid_framework.config import AuthSettings, Config, ServerSettings
from dvid_framework.http.access.tokens import SECRET
from dvid_framework.http.answers import Bytes
from dvid_framework.http.dispatch import Dispatch
from dvid_framework.plugins import Plugins
from dvid_framework.testing import tiny
from dvid_framework.testing.gateway import FakeGateway
from dvid_framework.testing.pytest_plugin import ServerFactory
from dvid_framework.testing.running import ServerThread

KEY = "a secret that is long enough for sha-256"
ROOT = "c0de0000000000000000000000000a01"
INFO = f"/api/node/{ROOT}/t/info"  # answered at once
ORIGIN = "http://example.org"


@pytest.fixture(autouse=True)
def _secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SECRET, KEY)


def _bearer(**claims: object) -> dict[str, str]:
    return {"Authorization": "Bearer " + jwt.encode({"user": "ann", **claims}, KEY, "HS256")}


def _guarded(dvid_server: ServerFactory, **auth: object) -> ServerThread:
    plugins = Plugins({"tiny": tiny}, discover=False)
    plain = dvid_server(plugins=plugins)
    plain.client.post("/api/repos", {"root": ROOT, "alias": "x"}).ok()
    plain.client.new_instance(ROOT, "tiny", "t")
    plain.stop()
    config = Config(auth=AuthSettings(**auth), server=ServerSettings(cors_domains=[ORIGIN]))  # type: ignore[arg-type]
    return dvid_server(plain.data, config=config, plugins=plugins)


def _at_once(dispatch: Dispatch, headers: dict[str, str]) -> Bytes | None:
    pairs: Sequence[tuple[bytes, bytes]] = [(name.lower().encode(), text.encode()) for name, text in headers.items()]
    begun = dispatch.begin(INFO.encode(), b"", list(pairs), "127.0.0.1")
    return begun if isinstance(begun, Bytes) else None


def test_each_request_of_a_connection_shows_its_own_token(dvid_server: ServerFactory) -> None:
    client = _guarded(dvid_server, enforce="token").client
    allowed, other = _bearer(), _bearer(roles={"f" * 32: "read"})
    for headers, status in [(allowed, 200)] * 3 + [({}, 400), (other, 400), (allowed, 200), ({}, 400), (allowed, 200)]:
        assert client.get(INFO, **headers).status == status
        assert client.get("/api/server/info", **headers).status == 200


def test_pages_of_other_sites_are_told_so_at_once(dvid_server: ServerFactory) -> None:
    client = _guarded(dvid_server, enforce="token").client
    for _ in range(3):
        reply = client.get(INFO, Origin=ORIGIN, **_bearer())
        assert (reply.status, reply.headers["access-control-allow-origin"]) == (200, ORIGIN)
        assert "access-control-allow-origin" not in client.get(INFO, **_bearer()).headers


def test_tokens_are_judged_without_a_task(dvid_server: ServerFactory) -> None:
    dispatch = _guarded(dvid_server, enforce="token").server.app
    answers = [_at_once(dispatch, headers) for headers in (_bearer(), {}, _bearer(roles={}))]
    assert [answer.status for answer in answers if answer is not None] == [200, 400, 400]


def test_who_asks_a_gateway_waits_for_it(dvid_server: ServerFactory, gateway: FakeGateway) -> None:
    server = _guarded(dvid_server, enforce="dsg", dsg_address=gateway.url)
    assert _at_once(server.server.app, {"Authorization": "Bearer anything"}) is None
    assert server.client.get(INFO, Authorization="Bearer anything").status == 401

"""The mode `authfile`: a token says who asks, and a file what they may do."""

from __future__ import annotations

import json
from pathlib import Path

import jwt
import pytest

from dvid_framework.config import AuthSettings, Config
from dvid_framework.errors import BadRequest
from dvid_framework.http.access.tokens import SECRET
from dvid_framework.plugins import Plugins
from dvid_framework.server import Server
from dvid_framework.testing import tiny
from dvid_framework.testing.pytest_plugin import ServerFactory

KEY = "a secret that is long enough for sha-256"
ADMIN = "the-admin-token"
USERS = {"r@x.org": "read", "w@x.org": "write", "b@x.org": "readwrite"}


@pytest.fixture(autouse=True)
def _secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SECRET, KEY)


def _bearer(user: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {jwt.encode({'user': user}, KEY, 'HS256')}"}


def _config(folder: Path, users: object) -> Config:
    (folder / "users.json").write_text(users if isinstance(users, str) else json.dumps(users))
    return Config(auth=AuthSettings(enforce="authfile", auth_file="users.json"), folder=str(folder))


def test_users_may_do_what_the_file_says(dvid_server: ServerFactory, tmp_path: Path) -> None:
    plugins = Plugins({"tiny": tiny}, discover=False)
    client = dvid_server(config=_config(tmp_path, USERS), plugins=plugins, admin_token=ADMIN).client
    root = client.post(f"/api/repos?admintoken={ADMIN}", {}).ok().json()["root"]
    instance = {"typename": "tiny", "dataname": "t"}
    client.request("POST", f"/api/repo/{root}/instance", instance, _bearer("w@x.org")).ok()
    path = f"/api/node/{root}/t/pair/a"

    def outcome(user: str) -> list[int]:
        return [
            client.request(method, path, b"1", _bearer(user)).status for method in ("POST", "GET", "DELETE", "HEAD")
        ]

    assert outcome("b@x.org") == [200, 200, 200, 404]
    assert outcome("w@x.org") == [200, 400, 200, 400]
    assert outcome("r@x.org") == [400, 404, 400, 404]
    assert outcome("s@x.org") == [400] * 4
    assert client.get(path).status == 400
    (tmp_path / "users.json").write_text(json.dumps({"*": "readwrite", "b@x.org": "read"}))
    assert client.post("/api/server/reload-auth").status == 400
    assert outcome("s@x.org") == [400] * 4
    assert client.post(f"/api/server/reload-auth?admintoken={ADMIN}").ok().text.strip()
    assert outcome("s@x.org") == [200, 200, 200, 404]
    assert outcome("b@x.org") == [400, 404, 400, 404]
    (tmp_path / "users.json").write_text("{")
    refused = client.post(f"/api/server/reload-auth?admintoken={ADMIN}")
    assert refused.status == 400
    assert str(tmp_path) not in refused.text
    assert outcome("s@x.org") == [200, 200, 200, 404], "the old file counts"


def test_rights_are_given_repo_by_repo(dvid_server: ServerFactory, tmp_path: Path) -> None:
    mine, others = ("c0de0000000000000000000000000" + text for text in ("a01", "b01"))
    users = {
        "ann@x.org": {mine: "admin", "*": "read"},
        "bob@x.org": {mine: "readwrite"},
        "cid@x.org": {mine: "none", "*": "readwrite"},
        "dea@x.org": "admin",
        "*": {others: "read"},
    }
    plugins = Plugins({"tiny": tiny}, discover=False)
    client = dvid_server(config=_config(tmp_path, users), plugins=plugins, admin_token=ADMIN).client
    for root in (mine, others):
        client.request("POST", "/api/repos", {"root": root}, _bearer("dea@x.org")).ok()
        instance = {"typename": "tiny", "dataname": "t"}
        client.request("POST", f"/api/repo/{root}/instance", instance, _bearer("dea@x.org")).ok()

    def outcome(user: str, **claims: object) -> list[int]:
        token = jwt.encode({"user": user, **claims}, KEY, "HS256")
        return [
            client.request(method, f"/api/node/{root}/t/pair/a", b"1", {"Authorization": f"Bearer {token}"}).status
            for root in (mine, others)
            for method in ("HEAD", "POST")
        ]

    assert outcome("ann@x.org") == [404, 200, 404, 400]
    assert outcome("bob@x.org") == [200, 200, 400, 400]
    assert outcome("cid@x.org") == [400, 400, 404, 200]
    assert outcome("dea@x.org") == [200, 200, 200, 200]
    assert outcome("eve@x.org") == [400, 400, 200, 400]
    assert outcome("dea@x.org", roles={mine: "read"}) == [200, 400, 400, 400], "a token's roles narrow"
    assert outcome("bob@x.org", roles="admin") == [200, 200, 400, 400], "and never widen"
    client.request("POST", f"/api/node/{mine}/commit", b"{}", _bearer("bob@x.org")).ok()
    assert outcome("bob@x.org") == [200, 400, 400, 400]
    assert outcome("ann@x.org") == [200, 200, 200, 400], "an administrator of the repo lifts its locks"
    assert client.request("POST", "/api/repos", {}, _bearer("ann@x.org")).status == 400
    assert client.request("GET", "/api/server/config", None, _bearer("ann@x.org")).status == 400
    assert client.request("GET", "/api/server/config", None, _bearer("dea@x.org")).status == 200
    assert set(client.request("GET", "/api/repos/info", None, _bearer("bob@x.org")).json()) == {mine}
    assert set(client.request("GET", "/api/repos/info", None, _bearer("eve@x.org")).json()) == {others}


@pytest.mark.parametrize(
    "users",
    ["", "[]", '{"a": 1}', '{"a": "all"}', '{"a"', '{"a": {"c0de": "read"}}', '{"a": {"*": 1}}', '{"a": []}'],
)
def test_a_wrong_file_stops_the_start(tmp_path: Path, users: str) -> None:
    with pytest.raises(BadRequest, match="auth_file"):
        Server(tmp_path / "data", _config(tmp_path, users), plugins=Plugins(discover=False))


@pytest.mark.parametrize("name", ["", "absent.json"])
def test_no_file_stops_the_start(tmp_path: Path, name: str) -> None:
    config = Config(auth=AuthSettings(enforce="authfile", auth_file=name), folder=str(tmp_path))
    with pytest.raises(BadRequest, match="auth_file"):
        Server(tmp_path / "data", config, plugins=Plugins(discover=False))

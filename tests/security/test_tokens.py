"""Tokens: which are valid, whom records name, and what others see of repos with public versions."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import jwt
import pytest

from dvid_framework.cli.commands import open_server
from dvid_framework.config import AuthSettings, Config, ServerSettings, load_config
from dvid_framework.errors import BadRequest
from dvid_framework.http.access.tokens import SECRET
from dvid_framework.plugins import Plugins
from dvid_framework.server import Server
from dvid_framework.testing import tiny
from dvid_framework.testing.client import Client
from dvid_framework.testing.pytest_plugin import ServerFactory
from dvid_framework.testing.running import ServerThread

KEY = "a secret that is long enough for sha-256 and for sha-384 and for sha-512, which asks for 64"
ROOT, PUBLIC, PRIVATE = (f"c0de0000000000000000000000000a0{n}" for n in (1, 2, 3))
OTHER = "c0de0000000000000000000000000b01"


@pytest.fixture(autouse=True)
def _secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SECRET, KEY)


def _plugins() -> Plugins:
    return Plugins({"tiny": tiny}, discover=False)


def _token(key: str = KEY, algorithm: str = "HS256", **claims: Any) -> str:
    return jwt.encode({"user": "ann@example.org", **claims}, key, algorithm)


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def _prepare(client: Client) -> None:
    """Two repos; of the first the root and a child are committed, and a grandchild is open."""
    for root in (ROOT, OTHER):
        client.post("/api/repos", {"root": root, "alias": root[-3:]}).ok()
        client.new_instance(root, "tiny", "t")
    client.post(f"/api/repo/{ROOT}/log", {"log": ["a line"]}).ok()
    for version, child in ((ROOT, PUBLIC), (PUBLIC, PRIVATE)):
        client.post(f"/api/node/{version}/t/pair/a", version).ok()
        client.commit(version)
        client.post(f"/api/node/{version}/newversion", {"uuid": child}).ok()
    client.post(f"/api/node/{PRIVATE}/t/pair/secret", b"hidden").ok()


@pytest.fixture
def prepared(dvid_server: ServerFactory, tmp_path: Path) -> Path:
    plain = dvid_server(tmp_path / "prepared", plugins=_plugins())
    _prepare(plain.client)
    plain.stop()
    return plain.data


def _guarded(dvid_server: ServerFactory, data: Path, **auth: Any) -> ServerThread:
    return dvid_server(data, config=Config(auth=AuthSettings(**{"enforce": "token", **auth})), plugins=_plugins())


def _unsigned(**claims: Any) -> str:
    parts = [
        base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in ({"alg": "none"}, claims)
    ]
    return ".".join([*parts, ""])


def test_valid_tokens(dvid_server: ServerFactory, prepared: Path) -> None:
    client, path, now = _guarded(dvid_server, prepared).client, f"/api/node/{PRIVATE}/t/pair/secret", int(time.time())
    for token in (
        _token(),
        _token(algorithm="HS384"),
        _token(algorithm="HS512"),
        _token(exp=now + 1000),
        _token(nbf=now - 10, iat=now - 10),
        _token(aud="some service"),
    ):
        assert client.get(path, **_bearer(token)).body == b"hidden"
    for header in (f"bearer {_token()}", f"BEARER  {_token()}"):
        assert client.get(path, Authorization=header).status == 200


def test_other_tokens_are_refused_and_not_shown(dvid_server: ServerFactory, prepared: Path) -> None:
    server = _guarded(dvid_server, prepared)
    path, now = f"/api/node/{PRIVATE}/t/pair/secret", int(time.time())
    for header in (
        "",
        _token(),
        f"Basic {_token()}",
        "Bearer",
        "Bearer nonsense",
        "Bearer a.b.c",
        f"Bearer {_token(KEY + 'x')}",
        f"Bearer {_token()[:-2]}",
        f"Bearer {_token(exp=now - 10)}",
        f"Bearer {_token(nbf=now + 1000)}",
        f"Bearer {_token(user=7)}",
        f"Bearer {_token(user='')}",
        f"Bearer {_token(user=None)}",
        f"Bearer {_unsigned(user='ann@example.org')}",
        "Bearer " + "x" * 20_000,
    ):
        for method in ("GET", "HEAD", "POST", "DELETE"):
            reply = server.client.request(method, path, b"", {"Authorization": header})
            assert reply.status == 400, header
            assert method == "HEAD" or "token" in reply.text
            assert len(header) < 10 or header.split()[-1] not in reply.text
    server.stop()
    assert "Bearer" not in (server.data / "activity.log").read_text()


def test_roles_of_a_token_hold_repo_by_repo(dvid_server: ServerFactory, prepared: Path) -> None:
    client = _guarded(dvid_server, prepared).client

    def outcome(roles: Any) -> list[int]:
        headers = _bearer(_token(roles=roles))
        return [
            client.request(method, f"/api/node/{version}/t/pair/secret", b"1", headers).status
            for version in (PRIVATE, OTHER)
            for method in ("HEAD", "POST")
        ]

    client.post(f"/api/node/{OTHER}/t/pair/secret", b"1", **_bearer(_token())).ok()
    assert outcome("readwrite") == outcome(None) == outcome("admin") == [200] * 4
    assert outcome("read") == outcome({"*": "read"}) == [200, 400, 200, 400]
    assert outcome("write") == [400, 200, 400, 200]
    assert outcome({ROOT: "readwrite"}) == [200, 200, 400, 400]
    assert outcome({ROOT: "readwrite", "*": "read"}) == [200, 200, 200, 400]
    assert outcome({ROOT: "none", "*": "readwrite"}) == [400, 400, 200, 200]
    assert outcome({}) == outcome("none") == [400] * 4
    for wrong in ("all", ["read"], {PRIVATE[:8]: "read"}, {"*": 1}, {"*": ["read"]}, 5, True, {ROOT.upper(): "read"}):
        assert outcome(wrong) == [400] * 4, wrong
    locked = f"/api/node/{PUBLIC}/t/pair/a"
    assert client.post(locked, b"1", **_bearer(_token(roles="readwrite"))).status == 400
    assert client.post(locked, b"1", **_bearer(_token(roles={OTHER: "admin", "*": "readwrite"}))).status == 400
    assert client.post(locked, b"1", **_bearer(_token(roles={ROOT: "admin"}))).status == 200
    assert client.get("/api/server/config", **_bearer(_token(roles={ROOT: "admin"}))).status == 400
    assert client.get("/api/server/config", **_bearer(_token(roles="admin"))).status == 200


def test_tokens_are_rotated_without_a_restart(dvid_server: ServerFactory, prepared: Path, tmp_path: Path) -> None:
    files = {name: tmp_path / name for name in ("secrets", "tokens", "admins")}
    opaque, digest = "kept-token-0451", hashlib.sha256(b"kept-token-0451").hexdigest()
    files["secrets"].write_text(f"# newest first\n{KEY}-2\n{KEY}\n")
    files["tokens"].write_text(json.dumps({digest: {"user": "robot", "roles": {ROOT: "read"}}}))
    files["admins"].write_text("admin-one\n")
    config = Config(
        auth=AuthSettings(enforce="token", secret_file="secrets", token_file="tokens"),
        server=ServerSettings(admin_token_file="admins"),
        folder=str(tmp_path),
    )
    server = dvid_server(prepared, config=config, plugins=_plugins())
    path = f"/api/node/{PRIVATE}/t/pair/secret"

    def outcome() -> list[int]:
        jwts = [_token(), _token(KEY + "-2"), _token(KEY + "-3"), opaque, opaque + "x"]
        return [server.client.get(path, **_bearer(token)).status for token in jwts]

    def reload(token: str) -> int:
        return server.client.post(f"/api/server/reload-auth?admintoken={token}").status

    assert outcome() == [200, 200, 400, 200, 400]
    assert server.client.post(path, b"1", **_bearer(opaque)).status == 400
    files["secrets"].write_text(f"{KEY}-3\n")
    files["tokens"].write_text(json.dumps({digest: {"user": "robot", "expires": time.time() - 1}}))
    files["admins"].write_text("admin-two\nadmin-one\n")
    assert outcome() == [200, 200, 400, 200, 400], "nothing changes by itself"
    assert [reload(token) for token in ("admin-two", "admin-one", "admin-two")] == [400, 200, 200]
    assert outcome() == [400, 400, 200, 400, 400]
    files["admins"].write_text("admin-two\n")
    assert [reload(token) for token in ("admin-one", "admin-one", "admin-two")] == [200, 400, 200]
    for name, wrong in (("secrets", ""), ("tokens", "{"), ("tokens", '{"ab": {"user": "x"}}'), ("admins", "")):
        kept = files[name].read_text()
        files[name].write_text(wrong)
        refused = server.client.post("/api/server/reload-auth?admintoken=admin-two")
        assert refused.status == 400, name
        assert str(tmp_path) not in refused.text
        files[name].write_text(kept)
        assert outcome() == [400, 400, 200, 400, 400], "a wrong file changes nothing"
    shown = server.client.get("/api/server/config?admintoken=admin-two").text
    server.stop()
    everything = shown + "".join(path.read_text() for path in server.data.glob("*.log*"))
    for secret in (opaque, digest, KEY, "admin-one", "admin-two", str(tmp_path)):
        assert secret not in everything


def test_nobody_makes_repos_without_an_admin_token(dvid_server: ServerFactory, prepared: Path) -> None:
    client = _guarded(dvid_server, prepared).client
    for headers in ({}, _bearer(_token())):
        assert client.request("POST", "/api/repos", b"{}", headers).status == 400
        assert client.request("GET", "/api/server/config", None, headers).status == 400


def test_records_name_the_user_of_the_token(dvid_server: ServerFactory, prepared: Path) -> None:
    server = _guarded(dvid_server, prepared)
    server.client.post(f"/api/node/{PRIVATE}/t/pair/b?u=bob&app=x", b"1", **_bearer(_token())).ok()
    server.client.post(f"/api/node/{PRIVATE}/note?u=bob", {"note": "n"}, **_bearer(_token())).ok()
    server.stop()
    lines = [json.loads(line) for line in (server.data / "activity.log").read_text().splitlines()]
    assert [(line["user"], line.get("claim")) for line in lines if line["method"] == "POST"][-2:] == [
        ("ann@example.org", "bob")
    ] * 2
    again = Server(server.data, plugins=_plugins())
    instance = again.instances.get(again.repos.find(PRIVATE)[0], "t")
    last = list(instance.mutations(again.repos.find(PRIVATE)[1]))[-1]
    again.close()
    assert (last.user, last.app) == ("ann@example.org", "x")


def test_public_versions_are_read_by_everyone(dvid_server: ServerFactory, prepared: Path) -> None:
    client = _guarded(dvid_server, prepared, public_versions=[PUBLIC]).client
    assert client.get(f"/api/node/{PUBLIC}/t/pair/a").body.decode() == PUBLIC
    assert client.get(f"/api/node/{ROOT}/t/pair/a").body.decode() == ROOT
    assert client.request("OPTIONS", f"/api/node/{ROOT}/t/pair/a").status == 200
    for method, path in (
        ("POST", f"/api/node/{PUBLIC}/t/pair/a"),
        ("POST", f"/api/node/{PUBLIC}/branch"),
        ("GET", f"/api/node/{PRIVATE}/t/pair/a"),
        ("GET", f"/api/node/{PUBLIC}:master/t/pair/a"),
        ("GET", f"/api/node/{OTHER}/t/pair/a"),
        ("GET", f"/api/node/{PUBLIC}/t/mutations-range/{ROOT}/{PRIVATE}"),
    ):
        assert client.request(method, path, b"{}").status == 400, path
    ranged = client.json(f"/api/node/{PUBLIC}/t/mutations-range/{ROOT}/{PUBLIC}")
    assert {entry["UUID"] for entry in ranged} == {ROOT, PUBLIC}


def test_what_others_see_of_repos(dvid_server: ServerFactory, prepared: Path) -> None:
    client = _guarded(dvid_server, prepared, public_versions=[PUBLIC]).client
    seen = client.json(f"/api/repo/{PUBLIC}/info")
    nodes = seen["DAG"]["Nodes"]
    assert set(nodes) == {ROOT, PUBLIC}
    assert nodes[PUBLIC]["Children"] == []
    assert seen["Log"] == []
    assert client.json("/api/repos/info") == {ROOT: seen}
    assert client.json(f"/api/repo/{ROOT}/log") == {"log": []}
    assert client.json(f"/api/repo/{ROOT}/branch-versions/master") == [PUBLIC, ROOT]
    mine = client.get("/api/repos/info", **_bearer(_token())).ok().json()
    assert set(mine) == {ROOT, OTHER}
    assert len(mine[ROOT]["DAG"]["Nodes"]) == 3
    assert client.get(f"/api/repo/{ROOT}/log", **_bearer(_token())).json()["log"]


def test_a_bad_public_version_stops_the_start(prepared: Path) -> None:
    for entry, words in (
        (PUBLIC[:10], "full UUID"),
        (PUBLIC.upper(), "full UUID"),
        (f"{PUBLIC}:master", "full UUID"),
        ("0" * 32, "no version"),
        (PRIVATE, "open version"),
    ):
        for enforce in ("token", "none"):
            config = Config(auth=AuthSettings(enforce=enforce, public_versions=[entry]))
            with pytest.raises(BadRequest, match=words):
                Server(prepared, config, plugins=_plugins())
    Server(prepared, plugins=_plugins()).close()


def test_modes_without_their_settings_stop_the_start(prepared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(SECRET)
    with pytest.raises(BadRequest, match=SECRET):
        Server(prepared, Config(auth=AuthSettings(enforce="token")), plugins=_plugins())
    monkeypatch.setenv(SECRET, KEY)
    with pytest.raises(BadRequest, match="trusted_proxies"):
        Server(prepared, Config(auth=AuthSettings(enforce="token", trusted_proxies=["x"])), plugins=_plugins())


@pytest.mark.parametrize(
    ("settings", "mode"),
    [
        ({}, "none"),
        ({"proxy_address": "proxy.example.org"}, "token"),
        ({"proxy_address": "proxy.example.org", "no_enforce": True}, "none"),
        ({"no_enforce": True}, "none"),
        ({"no_enforce": True, "enforce": "token"}, "token"),
        ({"proxy_address": "proxy.example.org", "enforce": "none"}, "none"),
    ],
)
def test_which_mode_the_keys_mean(settings: dict[str, Any], mode: str) -> None:
    assert AuthSettings(**settings).mode == mode
    assert AuthSettings(**settings).internal_mode == mode


def test_an_unknown_mode_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text('[auth]\nenforce = "perhaps"\n')
    with pytest.raises(BadRequest, match="enforce must be"):
        load_config(path)


@pytest.mark.parametrize(("trusted", "let_in"), [([], True), (["127.0.0.1"], True), (["10.0.0.0/8"], False)])
def test_requests_from_within(dvid_server: ServerFactory, prepared: Path, trusted: list[str], let_in: bool) -> None:
    client = _guarded(dvid_server, prepared, enforce_internal="none", trusted_proxies=trusted).client
    path = f"/api/node/{PRIVATE}/t/pair/secret"
    for value in ("true", "TRUE"):
        assert client.get(path, **{"X-DVID-Internal": value}).status == (200 if let_in else 400)
    assert client.get(path, **{"X-DVID-Internal": "yes"}).status == 400
    assert client.get(path, **{"X-DVID-Internal": "true", "X-Forwarded-For": "127.0.0.1"}).status == (
        200 if let_in else 400
    )


def test_a_guarded_server_may_listen_elsewhere(tmp_path: Path) -> None:
    guarded = Config(auth=AuthSettings(enforce="token"), server=ServerSettings())
    open_server(tmp_path / "a", guarded, "0.0.0.0", 1, "").close()
    with pytest.raises(BadRequest, match="listening on"):
        open_server(tmp_path / "b", Config(), "0.0.0.0", 1, "")


def test_work_on_the_folder_needs_no_secret_and_a_start_does(prepared: Path, tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text('[server]\nblockListFile = "absent.txt"\n[auth]\nenforce = "token"\n')
    environment = {name: value for name, value in os.environ.items() if name != SECRET}

    def dvid(command: str, *more: str) -> subprocess.CompletedProcess[str]:
        line = [sys.executable, "-m", "dvid_framework.cli", command, "--data", prepared, "--config", config, *more]
        return subprocess.run(line, capture_output=True, text=True, check=False, env=environment, timeout=60)

    checked = dvid("fsck", "--json")
    assert json.loads(checked.stdout)["counts"]["versions"] == 4, checked.stderr
    refused = dvid("serve", "--port", "0")
    assert refused.returncode == 2
    assert "absent" not in refused.stderr
    assert refused.stderr.startswith("dvid: ")
    assert "Traceback" not in refused.stderr

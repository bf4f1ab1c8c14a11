"""Who may do what: the admin token, and what holds on loopback without one."""

from __future__ import annotations

import pytest

from dvid_framework.config import Config, ServerSettings
from dvid_framework.plugins import Plugins
from dvid_framework.server import Server
from dvid_framework.testing import tiny
from dvid_framework.testing.client import Client
from dvid_framework.testing.pytest_plugin import ServerFactory
from dvid_framework.testing.running import ServerThread

_TOKEN = "s3cret-token"
_ADMIN_ADDRESSES = [("POST", "/api/repos"), ("GET", "/api/server/config"), ("GET", "/api/storage")]
_ADMIN_ADDRESSES += [("POST", "/api/server/settings")]


@pytest.fixture
def guarded(dvid_server: ServerFactory) -> ServerThread:
    return dvid_server(plugins=Plugins({"tiny": tiny}, discover=False), admin_token=_TOKEN)


@pytest.mark.parametrize(("method", "path"), _ADMIN_ADDRESSES)
def test_admin_addresses_need_the_token_where_there_is_one(guarded: ServerThread, method: str, path: str) -> None:
    client = guarded.client
    for refused in (
        client.request(method, path, b"{}"),
        client.request(method, f"{path}?admintoken=", b"{}"),
        client.request(method, f"{path}?admintoken={_TOKEN}x", b"{}"),
        client.request(method, f"{path}?admintoken={_TOKEN[:-1]}", b"{}"),
        client.request(method, f"{path}?admintoken=wrong&admintoken={_TOKEN}", b"{}"),
        client.request(method, path, b"{}", {"Authorization": f"Basic {_TOKEN}"}),
        client.request(method, path, b"{}", {"Authorization": "Bearer"}),
        client.request(method, path, b"{}", {"Authorization": "Bearer \xe9"}),
    ):
        assert refused.status == 400
        assert _TOKEN not in refused.text
    for allowed in (
        client.request(method, f"{path}?admintoken={_TOKEN}", b"{}"),
        client.request(method, path, b"{}", {"Authorization": f"Bearer {_TOKEN}"}),
        client.request(method, path, b"{}", {"authorization": f"bearer  {_TOKEN}"}),
    ):
        assert allowed.status == 200


@pytest.mark.parametrize(("method", "path"), _ADMIN_ADDRESSES)
def test_without_a_token_everyone_on_loopback_may(client: Client, method: str, path: str) -> None:
    assert client.request(method, path, b"{}").status == 200


def test_only_the_token_lifts_a_lock(guarded: ServerThread, client: Client) -> None:
    for one, admin in ((guarded.client, f"?admintoken={_TOKEN}"), (client, "?admintoken=anything")):
        root = one.post(f"/api/repos{admin}", {}).ok().json()["root"]
        one.new_instance(root, "tiny", "t")
        one.commit(root)
        assert one.post(f"/api/node/{root}/t/pair/a", b"1").status == 400
        assert one.post(f"/api/node/{root}/note", {"note": "x"}).status == 400
        lifted = 200 if one is guarded.client else 400
        assert one.post(f"/api/node/{root}/t/pair/a{admin}", b"1").status == lifted
        assert one.post(f"/api/node/{root}/note{admin}", {"note": "x"}).status == lifted
        assert one.post(f"/api/node/{root}/commit{admin}", {}).status == 400, "a commit never works twice"


def test_an_empty_token_grants_nothing(dvid_server: ServerFactory) -> None:
    client = dvid_server(plugins=Plugins({"tiny": tiny}, discover=False), admin_token="").client
    root = client.new_repo()
    client.new_instance(root, "tiny", "t")
    client.commit(root)
    assert client.post(f"/api/node/{root}/t/pair/a?admintoken=", b"1").status == 400
    assert client.post(f"/api/node/{root}/t/pair/a", b"1", Authorization="Bearer ").status == 400


def test_the_token_is_in_no_answer_and_no_log(guarded: ServerThread) -> None:
    client = guarded.client
    root = client.post(f"/api/repos?admintoken={_TOKEN}", {}).json()["root"]
    for path in (
        f"/api/node/{root}/nothing?admintoken={_TOKEN}",
        f"/api/node/{root}/x/y?AdminToken={_TOKEN}&admintoken={_TOKEN}",
        f"/api/server/info?admintoken={_TOKEN}",
        f"/api/server/config?admintoken={_TOKEN}",
        f"/api/repos/info?admintoken={_TOKEN}",
    ):
        reply = client.get(path)
        assert _TOKEN not in reply.text + str(reply.headers)
    guarded.stop()
    for path in guarded.data.rglob("*"):
        assert not path.is_file() or _TOKEN.encode() not in path.read_bytes(), f"the token is in {path.name}"


# -- web pages of other sites


_FOREIGN = [
    {"Host": "evil.example"},
    {"Host": "evil.example:8000"},
    {"Host": "127.0.0.1.evil.example"},
    {"Host": "127.0.0.1@evil.example"},
    {"Host": "["},
    {"Host": "[::1"},
    {"Host": ""},
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Origin": "http://127.0.0.1.evil.example"},
    {"Origin": "http://["},
    {"Origin": "file://"},
]


@pytest.mark.parametrize("headers", _FOREIGN, ids=str)
def test_a_page_of_another_site_cannot_mutate_a_server_without_token(client: Client, headers: dict[str, str]) -> None:
    reply = client.request("POST", "/api/repos", b"{}", headers)
    assert reply.status == 400
    assert client.json("/api/repos/info") == {}


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Host": "localhost:8000"},
        {"Host": "[::1]:8000"},
        {"Host": "LOCALHOST"},
        {"Origin": "http://localhost:3000"},
        {"Origin": "http://127.0.0.1:1234"},
    ],
    ids=str,
)
def test_this_machine_can(client: Client, headers: dict[str, str]) -> None:
    assert client.request("POST", "/api/repos", b"{}", headers).status == 200


@pytest.mark.parametrize("headers", [headers for headers in _FOREIGN if "[" not in str(headers)], ids=str)
def test_with_a_token_host_and_origin_do_not_matter(guarded: ServerThread, headers: dict[str, str]) -> None:
    assert guarded.client.request("POST", f"/api/repos?admintoken={_TOKEN}", b"{}", headers).status == 200


def test_reads_need_no_host(client: Client) -> None:
    assert client.request("GET", "/api/server/info", None, {"Host": "evil.example"}).status == 200


# -- modes


def _mode(dvid_server: ServerFactory, rwmode: str) -> Client:
    config = Config(server=ServerSettings(rwmode=rwmode))
    return dvid_server(config=config, plugins=Plugins({"tiny": tiny}, discover=False), admin_token=_TOKEN).client


def test_a_read_only_server_refuses_all_but_reads(dvid_server: ServerFactory) -> None:
    client = _mode(dvid_server, "readonly")
    for method, path in (("POST", "/api/repos"), ("POST", f"/api/repos?admintoken={_TOKEN}")):
        assert client.request(method, path, b"{}").status == 400
    assert client.request("OPTIONS", "/api/repos").status == 200
    assert client.json("/api/server/info")["Mode"] == "read only"
    assert client.json("/api/repos/info") == {}


def test_a_fullwrite_server_has_no_locks(dvid_server: ServerFactory) -> None:
    client = _mode(dvid_server, "fullwrite")
    root = client.post(f"/api/repos?admintoken={_TOKEN}", {}).json()["root"]
    client.new_instance(root, "tiny", "t")
    client.commit(root)
    client.post(f"/api/node/{root}/t/pair/a", b"1").ok()
    assert client.post(f"/api/node/{root}/commit", {}).status == 400


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True),
        ("127.5.5.5", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("10.0.0.1", False),
        ("example.org", False),
    ],
)
def test_what_counts_as_loopback(tmp_path_factory: pytest.TempPathFactory, host: str, loopback: bool) -> None:
    server = Server(tmp_path_factory.mktemp("d"), plugins=Plugins(discover=False), host=host)
    assert server.on_loopback is loopback
    server.close()

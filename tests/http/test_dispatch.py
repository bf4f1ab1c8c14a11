"""Dispatch over a real socket: what every address and method answers."""

from __future__ import annotations

import pytest

from dvid_framework.testing.client import Client, Reply
from dvid_framework.testing.running import ServerThread


@pytest.fixture
def root(client: Client) -> str:
    """A repo with an instance `t`; UUID of its open root."""
    uuid = client.new_repo()
    client.new_instance(uuid, "tiny", "t")
    return uuid


def _is_error(reply: Reply, status: int) -> None:
    assert reply.status == status
    assert reply.headers["content-type"] == "text/plain; charset=utf-8"
    assert reply.headers["x-content-type-options"] == "nosniff"
    assert reply.text.endswith("\n")
    assert "Traceback" not in reply.text
    assert 'File "' not in reply.text


# -- addresses


@pytest.mark.parametrize(
    "path",
    [
        "/api",
        "/api/",
        "/api/nothing",
        "/api/server",
        "/api/server/nothing",
        "/api/server/info/",
        "/api/repos",
        "/nothing",
        "/api/repo/{root}",
        "/api/repo/{root}/nothing",
        "/api/node/{root}",
        "/api/node/{root}/nothing",
        "/api//",
        "/api/node/{root}/t",
        "/api/node/{root}/t/",
        "/api/repo/{root}/info/",
        "/_t/tiny/pair/a",
        "/_t",
        "/_t/tiny/info",
    ],
)
def test_unknown_addresses_are_404(client: Client, root: str, path: str) -> None:
    reply = client.get(path.format(root=root))
    _is_error(reply, 404)
    assert reply.text == "404 page not found\n"


@pytest.mark.parametrize(
    "path",
    [
        "/api/repo/{bad}/info",
        "/api/node/{bad}/nothing/whatever",
        "/api/node/{bad}/t/info",
        "/api/repo/{bad}/nothing",
        "/api/node/{root}/nothing/info",
        "/api/node/{root}/t/nothing",
        "/api/node/{root}/t/nothing/at/all",
        "/api/node/{root}/t/pair",
        "/api/help/nothing",
        "/api/node/{root}:nothing/t/info",
    ],
)
def test_unknown_versions_instances_and_keywords_are_400(client: Client, root: str, path: str) -> None:
    path = path.format(root=root, bad="0123abcd" * 4)
    reply = client.get(path)
    _is_error(reply, 400)
    assert path.rsplit(":")[0].split("?")[0][:40] in reply.text


def test_an_unknown_keyword_names_the_help(client: Client, root: str) -> None:
    text = client.get(f"/api/node/{root}/t/nothing").text
    assert 'for data "t"' in text
    assert f"http://{client.host}:{client.port}/api/help/tiny" in text


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "PROPFIND"])
def test_a_method_that_an_address_does_not_have_is_404_on_fixed_addresses_and_400_below_instances(
    client: Client, root: str, method: str
) -> None:
    _is_error(client.request(method, "/api/server/info"), 404)
    _is_error(client.request(method, f"/api/node/{root}/status"), 404)
    _is_error(client.request(method, f"/api/node/{root}/t/help"), 400)
    _is_error(client.request(method, f"/api/node/{root}/t/nothing"), 400)


def test_a_slash_at_the_end_is_ignored_below_instances(client: Client, root: str) -> None:
    client.post(f"/api/node/{root}/t/pair/a/", b"1").ok()
    assert client.get(f"/api/node/{root}/t/pair/a").body == b"1"
    assert client.get(f"/api/node/{root}/t/info/").status == 200
    assert client.get("/api/help/").status == 200


def test_repeated_slashes_are_one(client: Client, root: str) -> None:
    client.post(f"/api/node/{root}/t/pair/a", b"1").ok()
    assert client.get(f"/api//node/{root}//t///pair/a").body == b"1"
    assert client.get("//api/server//info").status == 200


def test_segments_behind_the_pattern_are_ignored_below_instances(client: Client, root: str) -> None:
    client.post(f"/api/node/{root}/t/pair/a/b/c", b"1").ok()
    assert client.get(f"/api/node/{root}/t/pair/a").body == b"1"
    assert client.get(f"/api/node/{root}/t/info/more").status == 200


def test_an_escaped_slash_is_a_slash(client: Client, root: str) -> None:
    client.post(f"/api/node/{root}/t/pair%2Fa", b"1").ok()
    assert client.get(f"/api/node%2F{root}/t%2Fpair/a").body == b"1"


@pytest.mark.parametrize(
    "escaped",
    [
        "%ff%fe",
        "%C3%A9",
        "a%20b",
        "%00",
        "%00%01",
        "a%0Ab",
        "%E2%82",
        "%3F",
        "%23",
        "%25",
        "a%25b",
        "%7Bx%7D",
        "a+b",
        "a:b",
        "%ED%A0%80",
        "%22",
        "%27",
        "%5C",
        "%3Cscript%3E",
        "..",
        "%2e%2e",
        "%2E",
        "~",
        "x" * 4000,
        "%F0%9F%98%80",
        "a%3Ab",
    ],
)
def test_keys_are_any_bytes(client: Client, root: str, escaped: str) -> None:
    client.post(f"/api/node/{root}/t/pair/other", b"other").ok()
    client.post(f"/api/node/{root}/t/pair/{escaped}", escaped.encode()).ok()
    assert client.get(f"/api/node/{root}/t/pair/{escaped}").body == escaped.encode()
    assert client.get(f"/api/node/{root}/t/pair/other").body == b"other"
    client.delete(f"/api/node/{root}/t/pair/{escaped}").ok()
    assert client.get(f"/api/node/{root}/t/pair/{escaped}").status == 404


def test_each_byte_is_a_key_of_its_own(client: Client, root: str) -> None:
    keys = [f"%{byte:02X}" for byte in range(256) if byte != ord("/")]
    for key in keys:
        client.post(f"/api/node/{root}/t/pair/{key}", key.encode()).ok()
    for key in keys:
        assert client.get(f"/api/node/{root}/t/pair/{key}").body == key.encode()


def test_names_of_instances_may_have_spaces_and_colons(client: Client, root: str) -> None:
    for name, escaped in (("a b", "a%20b"), ("a:b", "a:b"), ("é", "%C3%A9"), ("status", "status"), ("x?y", "x%3Fy")):
        client.new_instance(root, "tiny", name)
        assert client.json(f"/api/node/{root}/{escaped}/info")["Base"]["Name"] == name


# -- HEAD and OPTIONS


@pytest.mark.parametrize(
    "path",
    [
        "/api/server/info",
        "/api/repos/info",
        "/api/repo/{root}/info",
        "/api/node/{root}/status",
        "/api/heartbeat",
        "/api/node/{root}/t/info",
        "/api/node/{root}/t/pair/a",
        "/api/node/{root}/t/pair/absent",
        "/api/help",
        "/api/node/{root}/t/nothing",
        "/api/nothing",
        "/api/node/zz/t/info",
    ],
)
def test_head_is_get_without_the_body(client: Client, root: str, path: str) -> None:
    client.post(f"/api/node/{root}/t/pair/a", b"12345").ok()
    path = path.format(root=root)
    got, headed = client.get(path), client.head(path)
    assert headed.status == got.status
    assert headed.body == b""
    assert headed.headers.get("content-type") == got.headers.get("content-type")
    assert headed.headers["content-length"] == got.headers["content-length"]


def test_head_of_a_repo_exists_alone(client: Client, root: str) -> None:
    assert client.head(f"/api/repo/{root}").status == 200
    assert client.get(f"/api/repo/{root}").status == 404
    assert client.head("/api/repo/zzz").status == 400


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/api/server/info", "GET, HEAD, OPTIONS"),
        ("/api/repos", "POST, OPTIONS"),
        ("/api/node/{root}/note", "GET, HEAD, POST, OPTIONS"),
        ("/api/node/{root}/branch", "POST, OPTIONS"),
        ("/api/repo/{root}", "HEAD, DELETE, OPTIONS"),
        ("/api/node/{root}/t/pair/a", "GET, HEAD, POST, DELETE, OPTIONS"),
        ("/api/node/{root}/t/count", "POST, OPTIONS"),
        ("/somewhere", "GET, HEAD, OPTIONS"),
    ],
)
def test_options_tell_what_is_allowed(client: Client, root: str, path: str, allowed: str) -> None:
    reply = client.request("OPTIONS", path.format(root=root))
    assert (reply.status, reply.headers["allow"], reply.body) == (200, allowed, b"")


@pytest.mark.parametrize("path", ["/api/load", "/api/heartbeat", "/api/user-latencies"])
def test_the_silent_addresses_know_no_options(client: Client, path: str) -> None:
    assert client.request("OPTIONS", path).status == 404
    assert client.get(path).status == 200


# -- locks


def test_a_committed_version_refuses_what_mutates(client: Client, root: str) -> None:
    client.post(f"/api/node/{root}/t/pair/a", b"1").ok()
    client.commit(root)
    for method, path in (
        ("POST", f"/api/node/{root}/t/pair/a"),
        ("DELETE", f"/api/node/{root}/t/pair/a"),
        ("POST", f"/api/node/{root}/t/pairs"),
        ("POST", f"/api/node/{root}/t/nothing"),
        ("PUT", f"/api/node/{root}/t/anything/at/all"),
        ("POST", f"/api/node/{root}/note"),
        ("POST", f"/api/node/{root}/log"),
        ("POST", f"/api/node/{root}/commit"),
        ("POST", f"/api/repo/{root}/instance"),
    ):
        _is_error(client.request(method, path, b"{}"), 400)
    assert client.get(f"/api/node/{root}/t/pair/a").body == b"1"
    assert client.post(f"/api/node/{root}/t/count", ["a", "b"]).json() == {"count": 1}
    assert client.post(f"/api/node/{root}/t/blobstore", b"blob").status == 200


def test_a_committed_version_can_have_children(client: Client, root: str) -> None:
    client.commit(root)
    child, side = client.child(root), client.child(root, "side")
    client.post(f"/api/node/{child}/t/pair/a", b"child").ok()
    client.post(f"/api/node/{side}/t/pair/a", b"side").ok()
    assert client.get(f"/api/node/{child}/t/pair/a").body == b"child"
    assert client.get("/api/node/:side/t/pair/a").body == b"side"
    assert client.get(f"/api/node/{root}/t/pair/a").status == 404


def test_a_conflict_is_told(client: Client, root: str) -> None:
    client.commit(root)
    sides = [client.child(root, name) for name in ("one", "two")]
    for side in sides:
        client.post(f"/api/node/{side}/t/pair/a", side.encode()).ok()
        client.commit(side)
    body = {"mergeType": "conflict-free", "parents": sides}
    merged = client.post(f"/api/repo/{root}/merge", body).json()["child"]
    _is_error(client.get(f"/api/node/{merged}/t/pair/a"), 409)
    _is_error(client.get(f"/api/node/{merged}/t/pairs"), 409)
    client.post(f"/api/node/{merged}/t/pair/a", b"settled").ok()
    assert client.json(f"/api/node/{merged}/t/pairs") == {"a": "settled"}


# -- other things


def test_a_get_may_have_a_body(client: Client, root: str) -> None:
    assert client.get(f"/api/node/{root}/t/info", b"some body" * 1000).status == 200
    assert client.get("/api/server/info", b"{}").status == 200


def test_an_instance_of_a_type_that_is_gone_answers_501(tiny_server: ServerThread, root: str) -> None:
    client = tiny_server.client
    tiny_server.server.instances.close()
    tiny_server.server.instances.datatypes.clear()
    _is_error(client.get(f"/api/node/{root}/t/info"), 501)
    assert client.json(f"/api/repo/{root}/info")["DataInstances"]["t"]["Base"]["TypeName"] == "tiny"


def test_an_unexpected_error_tells_a_reference_and_no_more(
    tiny_server: ServerThread, root: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError("secret inside")

    monkeypatch.setattr(type(tiny_server.server.instances), "get", fail)
    reply = tiny_server.client.get(f"/api/node/{root}/t/info")
    _is_error(reply, 500)
    assert "secret" not in reply.text
    assert "ZeroDivision" not in reply.text
    monkeypatch.undo()
    assert tiny_server.client.get(f"/api/node/{root}/t/info").status == 200


def test_blobs_come_back(client: Client, root: str) -> None:
    assert client.post(f"/api/node/{root}/t/blobstore", b"hello").json() == {"reference": "8UtYSGSD2U9wgDh5jClpfw=="}
    reply = client.get(f"/api/node/{root}/t/blobstore/8UtYSGSD2U9wgDh5jClpfw==")
    assert (reply.body, reply.headers["content-type"]) == (b"hello", "application/octet-stream")
    assert client.post(f"/api/node/{root}/t/blobstore", b"").json() == {"reference": "bGInLge7AUJiuCF1YpXFjQ=="}
    _is_error(client.get(f"/api/node/{root}/t/blobstore/AAAAAAAAAAAAAAAAAAAAAA=="), 404)
    for bad in ("x", "8UtYSGSD2U9wgDh5jClpfw==/more", "%ff", "AAAA", "8UtYSGSD2U9wgDh5jClpfw"):
        _is_error(client.get(f"/api/node/{root}/t/blobstore/{bad}"), 400)


def test_everything_is_there_after_a_restart(tiny_server: ServerThread, root: str) -> None:
    client = tiny_server.client
    client.post(f"/api/node/{root}/t/pairs", {"a": "1", "b": "2"}).ok()
    client.post(f"/api/node/{root}/t/tags", {"k": "v"}).ok()
    before = client.json(f"/api/repo/{root}/info"), client.json(f"/api/node/{root}/t/mutations")
    tiny_server.restart()
    client = tiny_server.client
    assert client.json(f"/api/node/{root}/t/pairs") == {"a": "1", "b": "2"}
    after = client.json(f"/api/repo/{root}/info"), client.json(f"/api/node/{root}/t/mutations")
    assert after == before


def test_openapi_shows_the_types_routes_at_their_addresses(client: Client) -> None:
    paths = client.json("/schema/openapi.json")["paths"]
    assert "get" in paths["/api/node/{uuid}/{tiny}/pair/{key}"]
    assert "post" in paths["/api/node/{uuid}/{tiny}/pairs"]
    assert "post" in paths["/api/repos"]
    assert not [path for path in paths if "_t" in path.split("/")]

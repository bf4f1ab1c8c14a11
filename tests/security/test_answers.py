"""What answers say and do not say: headers that browsers obey, where the server listens, and nothing of the machine."""

from __future__ import annotations

import re
import socket
from pathlib import Path

import pytest

from dvid_framework.config import AuthSettings, Config, ServerSettings
from dvid_framework.plugins import Plugins
from dvid_framework.testing import tiny
from dvid_framework.testing.client import Client, Reply
from dvid_framework.testing.pytest_plugin import ProcessFactory, ServerFactory
from dvid_framework.testing.running import ServerThread

PATHS = [
    "/", "/api/help", "/api/help/tiny", "/api/help/nothing", "/api/server/info", "/api/server/config", "/api/nothing",
    "/nothing", "/api/repos/info", "/api/repo/x/info", "/api/node/x/y/z", "/schema/swagger", "/schema/openapi.json",
    "/api/heartbeat", "/api/load", "/%00", "/_t/tiny", "/interface/version",
]  # fmt: skip


def _check_headers(path: str, reply: Reply) -> None:
    assert reply.headers["x-content-type-options"] == "nosniff", path
    if reply.headers.get("content-type", "").startswith("text/html"):
        policy = reply.headers["content-security-policy"]
        assert "default-src 'self'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe-eval" not in policy
        assert path.startswith("/schema") or not re.search(r"script-src|https?:|\*", policy)
    assert "server" not in reply.headers
    assert not any(name.startswith("access-control") for name in reply.headers)


def test_browsers_neither_guess_types_nor_run_what_is_not_ours(client: Client) -> None:
    pages = 0
    for path in PATHS:
        for method in ("GET", "POST", "HEAD", "OPTIONS", "DELETE", "PATCH"):
            reply = client.request(method, path, b"" if method == "POST" else None)
            _check_headers(path, reply)
            pages += reply.headers.get("content-type", "").startswith("text/html")
    assert pages >= 4, "help and the OpenAPI pages, GET and HEAD"


def test_pages_hold_no_script_of_their_own(client: Client) -> None:
    page = client.get("/api/help").text
    assert "<script" not in page
    assert " on" not in re.sub(r">[^<]*<", "><", page), "no handlers of events"


@pytest.mark.parametrize("enforce", ["none", "token"])
@pytest.mark.parametrize("domains", [["*"], ["example.org"], ["https://pages.example.org"], []])
def test_no_wildcard_goes_with_credentials(
    dvid_server: ServerFactory, monkeypatch: pytest.MonkeyPatch, domains: list[str], enforce: str
) -> None:
    monkeypatch.setenv("DVID_JWT_SECRET_KEY", "a secret that is long enough for sha-256")
    config = Config(server=ServerSettings(cors_domains=domains), auth=AuthSettings(enforce=enforce))
    client = dvid_server(config=config, plugins=Plugins({"tiny": tiny}, discover=False)).client
    for origin in ("https://evil.example", "null", "http://127.0.0.1:1", "https://evilexample.org"):
        asked = {"Origin": origin, "Access-Control-Request-Method": "POST"}
        for reply in (
            client.get("/api/repos/info", Origin=origin),
            client.request("OPTIONS", "/api/repos", None, asked),
        ):
            allowed = reply.headers.get("access-control-allow-origin")
            assert allowed in (None, "*")
            assert allowed is None or domains == ["*"]
            assert "access-control-allow-credentials" not in reply.headers


def _words_of_the_machine(server: ServerThread) -> list[str]:
    places = [server.data, Path.home(), Path.cwd()]
    return [*map(str, places), socket.gethostname(), "Traceback", 'File "', "site-packages"]


def test_errors_say_nothing_of_the_machine(tiny_server: ServerThread, monkeypatch: pytest.MonkeyPatch) -> None:
    client = tiny_server.client
    uuid = client.new_repo()
    client.new_instance(uuid, "tiny", "t")
    monkeypatch.setenv("DVID_SECRET_OF_MINE", "canary-0451")
    instance = f"/api/node/{uuid}/t"
    failing = tiny_server.server.stores.metadata.store
    for method, path, body in (
        ("GET", f"{instance}/pair/{'x' * 3000}", None),
        ("GET", f"{instance}/nothing/%2e%2e/%00", None),
        ("POST", f"{instance}/pairs", b"{"),
        ("POST", f"{instance}/pairs", b'{"a": 5}'),
        ("POST", f"{instance}/tags", b"[" * 100_000),
        ("POST", f"/api/repo/{uuid}/instance", b'{"typename": "tiny", "dataname": "u", "width": "x"}'),
        ("POST", f"/api/repo/{uuid}/instance", b'{"typename": "../x", "dataname": "u"}'),
        ("POST", f"/api/repo/{uuid}/merge", b'{"mergeType": "x", "parents": ["/etc/passwd"]}'),
        ("GET", "/api/help/../../etc/passwd", None),
        ("GET", f"{instance}/blobstore/{'A' * 22}==", None),
        ("GET", f"{instance}/blobstore/../../x", None),
        ("PUT", "/", b""),
    ):
        reply = client.request(method, path, body)
        assert 400 <= reply.status < 500, path
        for word in [*_words_of_the_machine(tiny_server), "canary-0451"]:
            assert word.encode() not in reply.body + str(reply.headers).encode(), (path, word)
    monkeypatch.setattr(failing, "write", lambda _: (_ for _ in ()).throw(RuntimeError(f"at {tiny_server.data}")))
    reply = client.post("/api/repos", {})
    assert reply.status == 500
    for word in _words_of_the_machine(tiny_server):
        assert word.encode() not in reply.body, word


def test_pages_for_everyone_say_nothing_of_the_machine(tiny_server: ServerThread) -> None:
    for path in ("/api/server/info", "/api/help", "/api/help/tiny", "/api/server/plugins", "/schema/openapi.json"):
        body = tiny_server.client.get(path).ok().body
        for word in _words_of_the_machine(tiny_server):
            assert word.encode() not in body, (path, word)


def _listening(pid: int) -> set[tuple[str, int]]:
    """Return the addresses (hexadecimal, as the system shows them) and ports that a process listens on."""
    inodes = set()
    for file in Path(f"/proc/{pid}/fd").iterdir():
        try:
            target = str(file.readlink())
        except FileNotFoundError:
            continue
        if target.startswith("socket:["):
            inodes.add(target[8:-1])
    found = set()
    for table in ("tcp", "tcp6", "udp", "udp6"):
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            address, port = fields[1].split(":")
            if fields[9] in inodes and (fields[3] == "0A" or table.startswith("udp")):
                found.add((address, int(port, 16)))
    return found


def test_it_listens_where_it_is_told_and_nowhere_else(dvid_process: ProcessFactory) -> None:
    process = dvid_process()
    client = process.client
    client.new_repo()
    assert _listening(process.pid) == {("0100007F", process.port)}

"""The blocklist, and the addresses of clients behind proxies."""

from __future__ import annotations

from pathlib import Path

import pytest

from dvid_framework.config import AuthSettings, Config, ServerSettings
from dvid_framework.errors import BadRequest
from dvid_framework.http.access.proxies import Proxies
from dvid_framework.plugins import Plugins
from dvid_framework.server import Server
from dvid_framework.testing import tiny
from dvid_framework.testing.pytest_plugin import ServerFactory
from dvid_framework.testing.running import ServerThread

ADMIN = "the-admin-token"
LINES = "# who is not served\n\nu=bad\nu=noted,ask ann\nip=10.1.*.*,whole net\nip=192.168.1.7\n"


def _server(dvid_server: ServerFactory, folder: Path, trusted: list[str] | None = None) -> ServerThread:
    (folder / "blocked.txt").write_text(LINES)
    config = Config(
        server=ServerSettings(block_list_file="blocked.txt"),
        auth=AuthSettings(trusted_proxies=trusted or []),
        folder=str(folder),
    )
    return dvid_server(config=config, plugins=Plugins({"tiny": tiny}, discover=False), admin_token=ADMIN)


def test_blocked_users_get_the_note_everywhere_but_at_the_silent_addresses(
    dvid_server: ServerFactory, tmp_path: Path
) -> None:
    client = _server(dvid_server, tmp_path).client
    for path in ("/api/server/info", "/api/repos/info", "/api/node/0/x/y", "/nothing", "/api/help"):
        assert client.get(f"{path}?u=bad").status == 429
        assert "ask ann" in client.get(f"{path}?u=noted").text
        assert client.request("OPTIONS", f"{path}?u=bad").status == 429
        assert client.get(f"{path}?u=good").status != 429
    for path in ("/api/heartbeat", "/api/load", "/api/user-latencies"):
        assert client.get(f"{path}?u=bad").status == 200


@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded"])
def test_forwarded_addresses_count_from_trusted_proxies(
    dvid_server: ServerFactory, tmp_path: Path, header: str
) -> None:
    client = _server(dvid_server, tmp_path).client
    for address, status in (("10.1.2.3", 429), ("192.168.1.7", 429), ("10.2.2.3", 200), ("192.168.1.77", 200)):
        value = address if header != "Forwarded" else f'for="{address}:4711";proto=http'
        assert client.get("/api/server/info", **{header: value}).status == status


def test_others_cannot_say_where_they_are(dvid_server: ServerFactory, tmp_path: Path) -> None:
    client = _server(dvid_server, tmp_path, ["10.9.9.9"]).client
    assert client.get("/api/server/info", **{"X-Forwarded-For": "10.1.2.3"}).status == 200


def test_a_list_is_read_again(dvid_server: ServerFactory, tmp_path: Path) -> None:
    client = _server(dvid_server, tmp_path).client
    reload = f"/api/server/reload-blocklist?admintoken={ADMIN}"
    (tmp_path / "blocked.txt").write_text("u=other\n")
    assert client.post("/api/server/reload-blocklist").status == 400
    assert client.get("/api/server/info?u=bad").status == 429
    assert "1 entries" in client.post(reload).ok().text
    assert client.get("/api/server/info?u=bad").status == 200
    assert client.get("/api/server/info?u=other").status == 429
    (tmp_path / "blocked.txt").write_text("u=bad\nnonsense\n")
    refused = client.post(reload)
    assert refused.status == 400
    assert "line 2" in refused.text
    (tmp_path / "blocked.txt").unlink()
    refused = client.post(reload)
    assert refused.status == 400
    assert str(tmp_path) not in refused.text
    assert client.get("/api/server/info?u=other").status == 429, "the old list counts"
    (tmp_path / "blocked.txt").write_text("")
    client.post(reload).ok()
    assert client.get("/api/server/info?u=other").status == 200


def test_without_lists_there_is_nothing_to_read(client) -> None:
    for name in ("reload-blocklist", "reload-auth"):
        assert "configured" in client.post(f"/api/server/{name}").ok().text


@pytest.mark.parametrize("lines", ["nonsense", "u=", "u=a\nip", "x=y"])
def test_a_wrong_list_stops_the_start(tmp_path: Path, lines: str) -> None:
    (tmp_path / "blocked.txt").write_text(lines)
    config = Config(server=ServerSettings(block_list_file="blocked.txt"), folder=str(tmp_path))
    with pytest.raises(BadRequest, match="blockListFile"):
        Server(tmp_path / "data", config, plugins=Plugins(discover=False))
    config.server.block_list_file = "absent.txt"
    with pytest.raises(BadRequest, match="blockListFile"):
        Server(tmp_path / "data", config, plugins=Plugins(discover=False))


@pytest.mark.parametrize(
    ("peer", "headers", "client"),
    [
        ("127.0.0.1", {}, "127.0.0.1"),
        ("10.0.0.1", {"x-forwarded-for": "1.2.3.4"}, "10.0.0.1"),
        ("127.0.0.1", {"x-forwarded-for": "1.2.3.4"}, "1.2.3.4"),
        ("127.0.0.1", {"x-forwarded-for": "6.6.6.6, 1.2.3.4"}, "1.2.3.4"),
        ("127.0.0.1", {"x-forwarded-for": "1.2.3.4, 127.0.0.1"}, "1.2.3.4"),
        ("127.0.0.1", {"x-forwarded-for": "127.0.0.2"}, "127.0.0.2"),
        ("::1", {"forwarded": 'for="[2001:db8::1]:99";by=x, for=127.0.0.1'}, "2001:db8::1"),
        ("::1", {"forwarded": "For=1.2.3.4", "x-forwarded-for": "5.6.7.8"}, "1.2.3.4"),
        ("127.0.0.1", {"x-forwarded-for": "unknown"}, "unknown"),
        ("", {"x-forwarded-for": "1.2.3.4"}, ""),
    ],
)
def test_the_address_of_a_client(peer: str, headers: dict[str, str], client: str) -> None:
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    assert Proxies().client(peer, raw) == client

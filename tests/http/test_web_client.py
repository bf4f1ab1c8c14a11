"""The files of a web client: served where nothing else is, and no others."""

from __future__ import annotations

from pathlib import Path

import pytest

from dvid_framework.config import Config, ServerSettings
from dvid_framework.plugins import Plugins
from dvid_framework.testing import tiny
from dvid_framework.testing.client import Client
from dvid_framework.testing.pytest_plugin import ServerFactory


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "client"
    (folder / "js").mkdir(parents=True)
    (folder / "index.html").write_text("<p>front</p>")
    (folder / "js" / "a b.js").write_text("run()")
    (folder / "large.bin").write_bytes(bytes(3_000_000))
    (tmp_path / "secret.txt").write_text("secret")
    (folder / "way-out").symlink_to(tmp_path / "secret.txt")
    return folder


def client_of(dvid_server: ServerFactory, folder: Path, redirect: str = "", default: str = "") -> Client:
    settings = ServerSettings(web_client=str(folder), web_redirect_path=redirect, web_default_file=default)
    return dvid_server(plugins=Plugins({"tiny": tiny}, discover=False), config=Config(server=settings)).client


def test_files_are_served(dvid_server: ServerFactory, folder: Path) -> None:
    client = client_of(dvid_server, folder)
    for path in ("/", "/index.html"):
        reply = client.get(path).ok()
        assert (reply.text, reply.headers["content-type"]) == ("<p>front</p>", "text/html; charset=utf-8")
    script = client.get("/js/a%20b.js").ok()
    assert (script.text, script.headers["content-type"].partition(";")[0]) == ("run()", "text/javascript")
    assert client.get("/large.bin").ok().body == bytes(3_000_000)
    headed = client.head("/large.bin")
    assert (headed.status, headed.headers["content-length"], headed.body) == (200, "3000000", b"")
    assert client.get("/schema/openapi.json").ok().json()["openapi"]
    assert client.get("/api/heartbeat").ok().text == "OK"
    assert client.get("/api/nosuch").status == 404


@pytest.mark.parametrize(
    "path",
    ["/nothing", "/js", "/way-out", "/../secret.txt", "/%2e%2e/secret.txt", "/js/../../secret.txt", "/a%00b", "/_t/x"],
)
def test_other_files_are_not_there(dvid_server: ServerFactory, folder: Path, path: str) -> None:
    client = client_of(dvid_server, folder)
    reply = client.get(path)
    assert (reply.status, "secret" in reply.text) == (404, False)


def test_a_missing_page_leads_elsewhere(dvid_server: ServerFactory, folder: Path) -> None:
    reply = client_of(dvid_server, folder, redirect="/index.html").get("/nothing")
    assert (reply.status, reply.headers["location"]) == (308, "/index.html")
    assert client_of(dvid_server, folder, default="index.html").get("/some/page").ok().text == "<p>front</p>"


def test_posts_are_not_answered(dvid_server: ServerFactory, folder: Path) -> None:
    assert client_of(dvid_server, folder).post("/index.html").status == 404

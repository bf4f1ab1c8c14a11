"""Two servers in one process, what a stop does, and one that is in the way of another."""

from __future__ import annotations

import json
import socket
import threading
from pathlib import Path

import pytest

from dvid_framework.config import Config, load_config
from dvid_framework.errors import BadRequest, StoreInUse
from dvid_framework.fsck import check
from dvid_framework.plugins import Plugins
from dvid_framework.server import Server
from dvid_framework.testing import tiny
from dvid_framework.testing.client import Client
from dvid_framework.testing.pytest_plugin import ProcessFactory, ServerFactory
from dvid_framework.testing.running import ServerThread


def _tiny() -> Plugins:
    return Plugins({"tiny": tiny}, discover=False)


def test_two_servers_with_different_data_in_one_process(dvid_server: ServerFactory) -> None:
    one, two = dvid_server(plugins=_tiny()), dvid_server(plugins=_tiny(), admin_token="secret")
    first = one.client.new_repo()
    second = two.client.post("/api/repos?admintoken=secret", {"root": first}).ok().json()["root"]
    assert second == first, "the same UUID on both: nothing of them is shared"
    for server, value in ((one, "one"), (two, "two")):
        server.client.new_instance(first, "tiny", "t")
        server.client.post(f"/api/node/{first}/t/pair/a", value).ok()
    assert one.client.get(f"/api/node/{first}/t/pair/a").body == b"one"
    assert two.client.get(f"/api/node/{first}/t/pair/a").body == b"two"
    one.client.commit(first)
    assert two.client.json(f"/api/node/{first}/status") == {"Locked": False}
    two.stop()
    assert one.client.get(f"/api/node/{first}/t/pair/a").body == b"one"


def test_a_data_folder_has_one_server(tiny_server: ServerThread) -> None:
    with pytest.raises(StoreInUse):
        Server(tiny_server.data, plugins=_tiny())
    assert tiny_server.client.get("/api/server/info").status == 200


def test_a_stop_finishes_what_runs(tiny_server: ServerThread) -> None:
    client = tiny_server.client
    root = client.new_repo()
    client.new_instance(root, "tiny", "t")
    with socket.create_connection((client.host, client.port)) as slow:
        head = f"POST /api/node/{root}/t/pair/a HTTP/1.1\r\nHost: {client.host}\r\nContent-Length: 10\r\n\r\n"
        slow.sendall(head.encode() + b"12345")
        client.get("/api/server/info").ok()  # by now the slow request is in the hands of the server
        stopping = threading.Thread(target=tiny_server.stop)
        stopping.start()
        slow.sendall(b"67890")
        answer = slow.recv(1000)
        stopping.join()
    assert answer.startswith(b"HTTP/1.1 200")
    tiny_server.restart()
    assert tiny_server.client.get(f"/api/node/{root}/t/pair/a").body == b"1234567890"


def test_a_process_ends_by_sigterm_with_status_0_and_leaves_a_clean_folder(
    dvid_process: ProcessFactory, tmp_path: Path
) -> None:
    process = dvid_process(tmp_path / "data", ("dvid_framework.testing.tiny",))
    client = process.client
    root = client.new_repo()
    client.new_instance(root, "tiny", "t")
    client.post(f"/api/node/{root}/t/pair/a", b"1").ok()
    assert process.stop() == 0
    server = Server(tmp_path / "data", plugins=_tiny())
    report = check(server.stores, server.repos, server.instances)
    server.close()
    assert report.problems == []
    assert report.counts["data records"] == 1


def test_a_config_file_is_obeyed(dvid_server: ServerFactory, tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text('[server]\nnote = "hello"\npassword = "x1y2"\n[store.main]\nengine = "memory"\n')
    server = dvid_server(config=load_config(path), plugins=_tiny())
    assert server.client.get("/api/server/note").text == "hello"
    assert server.client.json("/api/server/info")["Storage backend"] == "memory"
    shown = server.client.get("/api/server/config").text
    assert "x1y2" not in shown
    assert "hello" in shown


@pytest.mark.parametrize(
    "text",
    ["not toml", '[server]\nrwmode = "perhaps"', '[limits]\nthreads = "many"', "[server]\nnote = 5", "[server\n"],
)
def test_a_wrong_config_is_refused_with_a_sentence(tmp_path: Path, text: str) -> None:
    path = tmp_path / "config.toml"
    path.write_text(text)
    with pytest.raises(BadRequest, match=r"config\.toml|rwmode"):
        load_config(path)


@pytest.mark.parametrize("address", ["localhost", "host:99999", "", "host:x"])
def test_a_wrong_address_is_refused(address: str) -> None:
    config = Config()
    config.server.http_address = address
    with pytest.raises(BadRequest):
        config.address()


def test_a_folder_of_a_later_format_is_refused(tmp_path: Path) -> None:
    Server(tmp_path, plugins=_tiny()).close()
    (tmp_path / "FORMAT").write_text("99\n")
    with pytest.raises(BadRequest, match="format 99"):
        Server(tmp_path, plugins=_tiny())
    (tmp_path / "FORMAT").write_text("1\n")
    Server(tmp_path, plugins=_tiny()).close()


def test_a_store_that_lost_its_end_is_refused_and_the_lock_is_given_back(tmp_path: Path) -> None:
    server = Server(tmp_path, plugins=_tiny())
    server.repos.create()
    server.close()
    mark = tmp_path / "default.mark"
    mark.write_text("00000000000000000099\n")
    for _ in range(2):
        with pytest.raises(Exception, match="mutation 99 was durable"):
            Server(tmp_path, plugins=_tiny())
    mark.unlink()
    Server(tmp_path, plugins=_tiny()).close()


def test_a_second_client_is_served_while_one_is_slow(tiny_server: ServerThread) -> None:
    client = tiny_server.client
    slow = [socket.create_connection((client.host, client.port)) for _ in range(50)]
    for number, connection in enumerate(slow):
        connection.sendall(b"GET /api/server/info HTTP/1.1\r\nHo"[: 1 + number % 33])
    assert client.get("/api/server/info").status == 200
    other = Client(client.host, client.port, timeout=10)
    assert other.get("/api/heartbeat").text == "OK"
    other.close()
    for connection in slow:
        connection.close()
    assert client.get("/api/heartbeat").text == "OK"


def test_the_interface_is_raml_that_lists_every_address(tiny_server: ServerThread) -> None:
    client = tiny_server.client
    assert client.get("/interface/version").body == b"v1\n"
    reply = client.get("/interface").ok()
    assert reply.headers["content-type"] == "application/raml+yaml"
    assert reply.body.startswith(b"#%RAML 0.8\n")
    lines = reply.body.decode().splitlines()
    assert 'title: "DVID"' in lines
    for address, method in (("/api/server/info", "get"), ("/api/node/{uuid}/{tiny}/pair/{key}", "post")):
        at = lines.index(f'"{address}":')
        below = lines[at + 1 : at + 8]
        described = below[below.index(f"  {method}:") + 1]
        assert len(json.loads(described.removeprefix("    description: "))) > 10

"""A service that is told of each start, and must agree."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from dvid_framework.errors import BadRequest
from dvid_framework.events.start_webhook import announce_start
from dvid_framework.testing.pytest_plugin import ProcessFactory


class Registry:
    """A real HTTP server that keeps what it is told.

    Attributes:
        status: what it answers.
        told: the bodies that came.
    """

    def __init__(self) -> None:
        self.status, self.told = 200, []
        registry = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                registry.told.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(registry.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/started"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    told: list[dict[str, str]]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def registry() -> Iterator[Registry]:
    made = Registry()
    yield made
    made.close()


def wait_for(met: Callable[[], object]) -> None:
    deadline = time.monotonic() + 20
    while not met():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def _configured(folder: Path, text: str) -> dict[str, str]:
    file = folder / "server.toml"
    file.write_text(f"[server]\n{text}\n")
    return {"DVID_CONFIG": str(file)}


def test_a_start_is_told_once_it_listens(registry: Registry, dvid_process: ProcessFactory, tmp_path: Path) -> None:
    text = f'startWebhook = "{registry.url}"\nnote = "ours"'
    server = dvid_process(plugins=("dvid_framework.testing.tiny",), environment=_configured(tmp_path, text))
    wait_for(lambda: registry.told)
    (told,) = registry.told
    assert told["Note"] == "ours"
    assert told["HTTP Address"].endswith(f":{server.client.port}")
    assert set(told) == {"Host", "Note", "HTTP Address", "RPC Address"}


@pytest.mark.parametrize("url", ["ftp://example.org/", "/etc/passwd", "http://127.0.0.1:1/"])
def test_who_is_not_there_or_no_web_address_is_an_error(url: str) -> None:
    with pytest.raises(BadRequest, match="startWebhook"):
        announce_start(url, {})


def test_another_answer_than_200_is_an_error(registry: Registry) -> None:
    registry.status = 204
    with pytest.raises(BadRequest, match="204"):
        announce_start(registry.url, {})
    registry.status = 500
    with pytest.raises(BadRequest, match="500"):
        announce_start(registry.url, {})


def test_a_server_that_is_not_agreed_to_ends(registry: Registry, dvid_process: ProcessFactory, tmp_path: Path) -> None:
    registry.status = 403
    environment = _configured(tmp_path, f'startWebhook = "{registry.url}"')
    try:
        server = dvid_process(environment=environment)
    except RuntimeError as error:  # it ended before its first answer
        assert "startWebhook must answer 200" in str(error)  # noqa: PT017 - it may come or not
        return
    wait_for(lambda: not server.alive)
    server.client.close()
    assert "startWebhook must answer 200" in server.output()


def test_the_process_id_is_in_a_file_while_it_serves(dvid_process: ProcessFactory, tmp_path: Path) -> None:
    file = tmp_path / "dvid.pid"
    server = dvid_process(environment=_configured(tmp_path, f'pidFile = "{file.name}"\nshutdownDelay = 0.3'))
    wait_for(file.exists)
    wait_for(file.read_text)
    assert file.read_text() == f"{server.pid}\n"
    began = time.monotonic()
    server.stop()
    assert time.monotonic() - began >= 0.3
    assert not file.exists()

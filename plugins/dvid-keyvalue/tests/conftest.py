"""A server with this plugin, and one instance of it."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote

import pytest

from dvid_framework.testing.client import Client, Reply
from dvid_framework.testing.pytest_plugin import ServerFactory
from dvid_framework.testing.running import ServerThread


@dataclass
class Map:
    """An instance at a version."""

    client: Client
    uuid: str
    name: str = "kv"

    @property
    def path(self) -> str:
        return f"/api/node/{self.uuid}/{self.name}"

    def get(self, rest: str, body: bytes | str | None = None, **headers: str) -> Reply:
        return self.client.get(f"{self.path}/{rest}", body, **headers)

    def post(self, rest: str, body: bytes | str = b"") -> Reply:
        return self.client.post(f"{self.path}/{rest}", body)

    def put(self, key: str | bytes, value: bytes) -> None:
        self.post(f"key/{quote(key, safe='')}", value).ok()

    def keys(self) -> list[str]:
        found: list[str] = self.client.json(f"{self.path}/keys")
        return found


@pytest.fixture
def server(dvid_server: ServerFactory, monkeypatch: pytest.MonkeyPatch) -> ServerThread:
    monkeypatch.setenv("DVID_LOAD_PLUGINS", "keyvalue")
    return dvid_server()


@pytest.fixture
def kv(server: ServerThread) -> Map:
    client = server.client
    uuid = client.new_repo()
    client.new_instance(uuid, "keyvalue", "kv")
    return Map(client, uuid)

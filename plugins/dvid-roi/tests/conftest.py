"""A server with this plugin, and instances of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from dvid_framework.testing.client import Client, Reply
from dvid_framework.testing.pytest_plugin import ServerFactory
from dvid_framework.testing.running import ServerThread


@dataclass
class Area:
    """An instance at a version."""

    client: Client
    uuid: str
    name: str = "area"

    @property
    def path(self) -> str:
        return f"/api/node/{self.uuid}/{self.name}"

    def get(self, rest: str) -> Reply:
        return self.client.get(f"{self.path}/{rest}")

    def post(self, rest: str, body: Any) -> Reply:
        return self.client.post(f"{self.path}/{rest}", body)

    def runs(self) -> list[list[int]]:
        found: list[list[int]] = self.get("roi").ok().json()
        return found

    def z_range(self) -> tuple[int, int]:
        extended = self.get("info").ok().json()["Extended"]
        return extended["MinZ"], extended["MaxZ"]


@pytest.fixture
def server(dvid_server: ServerFactory, monkeypatch: pytest.MonkeyPatch) -> ServerThread:
    monkeypatch.setenv("DVID_LOAD_PLUGINS", "roi")
    return dvid_server()


@pytest.fixture
def area(server: ServerThread) -> Area:
    client = server.client
    uuid = client.new_repo()
    client.new_instance(uuid, "roi", "area", BlockSize="16,8,4")
    return Area(client, uuid)

"""A server with this plugin, and one instance of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from dvid_framework.testing.client import Client, Reply
from dvid_framework.testing.pytest_plugin import ServerFactory
from dvid_framework.testing.running import ServerThread


@dataclass
class Neurons:
    """An instance at a version."""

    client: Client
    uuid: str
    name: str = "nj"

    @property
    def path(self) -> str:
        return f"/api/node/{self.uuid}/{self.name}"

    def get(self, rest: str, body: Any = None, **headers: str) -> Reply:
        return self.client.get(f"{self.path}/{rest}", body, **headers)

    def json(self, rest: str, body: Any = None) -> Any:
        return self.get(rest, None if body is None else json.dumps(body)).ok().json()

    def post(self, rest: str, body: Any = b"") -> Reply:
        return self.client.post(f"{self.path}/{rest}", body)

    def put(self, number: int, fields: Mapping[str, Any], options: str = "u=ann") -> Reply:
        return self.post(f"key/{number}?{options}", json.dumps({"bodyid": number, **fields}))

    def delete(self, rest: str) -> Reply:
        return self.client.delete(f"{self.path}/{rest}")

    def ask(self, query: Any, options: str = "onlyid=true") -> Any:
        return self.json(f"query?{options}", query)

    def keys(self) -> list[int]:
        return [int(key) for key in self.json("keys")]


@pytest.fixture
def server(dvid_server: ServerFactory, monkeypatch: pytest.MonkeyPatch) -> ServerThread:
    monkeypatch.setenv("DVID_LOAD_PLUGINS", "neuronjson")
    return dvid_server()


@pytest.fixture
def neurons(server: ServerThread) -> Neurons:
    client = server.client
    uuid = client.new_repo()
    client.new_instance(uuid, "neuronjson", "nj")
    return Neurons(client, uuid)

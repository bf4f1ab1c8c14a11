"""A server with this plugin, and one instance of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from dvid_framework.testing.client import Reply
from dvid_framework.testing.instance_client import InstanceClient
from dvid_framework.testing.pytest_plugin import ServerFactory
from dvid_framework.testing.running import ServerThread


@dataclass
class Neurons(InstanceClient):
    """An instance at a version."""

    def put(self, number: int, fields: Mapping[str, Any], options: str = "u=ann") -> Reply:
        return self.post(f"key/{number}?{options}", {"bodyid": number, **fields})

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
    return Neurons(client, uuid, "nj")

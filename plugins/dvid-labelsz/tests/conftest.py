"""A server with counts and a plain type of points, and instances of both."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from dvid_framework.testing import Plugins
from dvid_framework.testing.instance_client import InstanceClient
from dvid_framework.testing.modules import module_beside
from dvid_framework.testing.pytest_plugin import ServerFactory
from dvid_framework.testing.running import ServerThread

POINTS = module_beside(__file__, "plain_points")


@dataclass
class Sizes(InstanceClient):
    """An instance at a version, and the points that it follows."""

    server: ServerThread

    def reload(self) -> None:
        self.post("reload").ok()
        self.wait_for_jobs()

    def problems(self) -> list[str]:
        """What fsck finds at all versions."""
        return self.server.problems(self.uuid, self.name)

    def set(self, points: dict[str, Any]) -> None:
        self.client.post(f"/api/node/{self.uuid}/syn/set", points).ok()

    def ranked(self, rest: str) -> list[tuple[int, int]]:
        return [(row["Label"], row["Size"]) for row in self.get(rest).ok().json()]


@pytest.fixture
def server(dvid_server: ServerFactory, monkeypatch: pytest.MonkeyPatch) -> ServerThread:
    monkeypatch.setenv("DVID_LOAD_PLUGINS", "labelsz")
    return dvid_server(plugins=Plugins({"points": POINTS}))


@pytest.fixture
def sizes(server: ServerThread) -> Sizes:
    """An instance `sz` that follows `syn`."""
    client = server.client
    uuid = client.new_repo()
    client.new_instance(uuid, "annotation", "syn")
    client.new_instance(uuid, "labelsz", "sz")
    client.post(f"/api/node/{uuid}/sz/sync", {"sync": "syn"}).ok()
    return Sizes(client, uuid, "sz", server)

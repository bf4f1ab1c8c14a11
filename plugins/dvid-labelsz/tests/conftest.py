"""A server with counts and a plain type of points, and instances of both."""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from dvid_framework.testing import Plugins
from dvid_framework.testing.client import Client, Reply
from dvid_framework.testing.jobs import wait_for_job
from dvid_framework.testing.pytest_plugin import ServerFactory
from dvid_framework.testing.running import ServerThread


def _plain_points() -> ModuleType:
    spec = importlib.util.spec_from_file_location("plain_points", Path(__file__).with_name("plain_points.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


POINTS = _plain_points()


@dataclass
class Sizes:
    """An instance at a version, and the points that it follows."""

    client: Client
    uuid: str
    server: ServerThread
    name: str = "sz"

    @property
    def path(self) -> str:
        return f"/api/node/{self.uuid}/{self.name}"

    def at(self, uuid: str) -> Sizes:
        return Sizes(self.client, uuid, self.server, self.name)

    def get(self, rest: str, body: Any = None) -> Reply:
        return self.client.get(f"{self.path}/{rest}", body)

    def set(self, points: dict[str, Any]) -> None:
        self.client.post(f"/api/node/{self.uuid}/syn/set", points).ok()

    def ranked(self, rest: str) -> list[tuple[int, int]]:
        return [(row["Label"], row["Size"]) for row in self.get(rest).ok().json()]

    def reload(self) -> None:
        self.client.post(f"{self.path}/reload").ok()
        for job in self.get("jobs").ok().json():
            assert wait_for_job(self.client, job["id"])["state"] == "done"

    def problems(self) -> list[str]:
        """What fsck finds at all versions."""
        instance = self.server.server.instances.get(self.server.server.repos.find(self.uuid)[0], self.name)
        return [problem for version in list(instance.repo.dag) for problem in instance.check(version)]


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
    return Sizes(client, uuid, server)

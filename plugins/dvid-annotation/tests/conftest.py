"""A server with annotations and a plain type of labels, and instances of both."""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, TypeAlias

import pytest

from dvid_framework.testing import Plugins
from dvid_framework.testing.client import Client, Reply
from dvid_framework.testing.jobs import wait_for_job
from dvid_framework.testing.pytest_plugin import ServerFactory
from dvid_framework.testing.running import ServerThread

Json: TypeAlias = Any


def _painted_labels() -> ModuleType:
    spec = importlib.util.spec_from_file_location("painted_labels", Path(__file__).with_name("painted_labels.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


PAINTED = _painted_labels()


def place_of(element: Json) -> tuple[int, ...]:
    return tuple(element["Pos"])


@dataclass
class Annotations:
    """An instance at a version, and the segmentation that it follows."""

    client: Client
    uuid: str
    server: ServerThread
    name: str = "syn"

    @property
    def path(self) -> str:
        return f"/api/node/{self.uuid}/{self.name}"

    def at(self, uuid: str) -> Annotations:
        return Annotations(self.client, uuid, self.server, self.name)

    def get(self, rest: str) -> Reply:
        return self.client.get(f"{self.path}/{rest}")

    def post(self, rest: str, body: Json = b"") -> Reply:
        return self.client.post(f"{self.path}/{rest}", body)

    def delete(self, rest: str) -> Reply:
        return self.client.delete(f"{self.path}/{rest}")

    def labels(self, rest: str, body: Json = b"") -> None:
        self.client.post(f"/api/node/{self.uuid}/seg/{rest}", body).ok()

    def found(self, rest: str) -> list[Json]:
        return sorted(self.get(rest).ok().json() or [], key=place_of)

    def places(self, rest: str) -> list[list[int]]:
        return [element["Pos"] for element in self.found(rest)]

    def blocks(self) -> dict[str, list[Json]]:
        found = self.get("all-elements").ok().json()
        return {name: sorted(elements, key=place_of) for name, elements in found.items()}

    def reload(self) -> None:
        self.post("reload").ok()
        for job in self.get("jobs").ok().json():
            assert wait_for_job(self.client, job["id"])["state"] == "done"

    def problems(self) -> list[str]:
        """What fsck finds at all versions."""
        instance = self.server.server.instances.get(self.server.server.repos.find(self.uuid)[0], self.name)
        return [problem for version in list(instance.repo.dag) for problem in instance.check(version)]


@pytest.fixture
def server(dvid_server: ServerFactory, monkeypatch: pytest.MonkeyPatch) -> ServerThread:
    monkeypatch.setenv("DVID_LOAD_PLUGINS", "annotation")
    return dvid_server(plugins=Plugins({"painted": PAINTED}))


@pytest.fixture
def synapses(server: ServerThread) -> Annotations:
    """An instance that follows nothing."""
    uuid = server.client.new_repo()
    server.client.new_instance(uuid, "annotation", "syn")
    return Annotations(server.client, uuid, server)


@pytest.fixture
def labelled(synapses: Annotations) -> Annotations:
    """An instance that follows labels."""
    synapses.client.new_instance(synapses.uuid, "labelmap", "seg")
    synapses.post("sync", {"sync": "seg"}).ok()
    return synapses

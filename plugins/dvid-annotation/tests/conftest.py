"""A server with annotations and a plain type of labels, and instances of both."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import pytest

from dvid_framework.testing import Plugins
from dvid_framework.testing.instance_client import InstanceClient
from dvid_framework.testing.modules import module_beside
from dvid_framework.testing.pytest_plugin import ServerFactory
from dvid_framework.testing.running import ServerThread

Json: TypeAlias = Any


PAINTED = module_beside(__file__, "painted_labels")


def place_of(element: Json) -> tuple[int, ...]:
    return tuple(element["Pos"])


@dataclass
class Annotations(InstanceClient):
    """An instance at a version, and the segmentation that it follows."""

    server: ServerThread

    def labels(self, rest: str, body: Json = b"") -> None:
        self.client.post(f"/api/node/{self.uuid}/seg/{rest}", body).ok()

    def found(self, rest: str) -> list[Json]:
        return sorted(self.get(rest).ok().json() or [], key=place_of)

    def places(self, rest: str) -> list[list[int]]:
        return [element["Pos"] for element in self.found(rest)]

    def reload(self) -> None:
        self.post("reload").ok()
        self.wait_for_jobs()

    def problems(self) -> list[str]:
        """What fsck finds at all versions."""
        return self.server.problems(self.uuid, self.name)

    def blocks(self) -> dict[str, list[Json]]:
        found = self.get("all-elements").ok().json()
        return {name: sorted(elements, key=place_of) for name, elements in found.items()}


@pytest.fixture
def server(dvid_server: ServerFactory, monkeypatch: pytest.MonkeyPatch) -> ServerThread:
    monkeypatch.setenv("DVID_LOAD_PLUGINS", "annotation")
    return dvid_server(plugins=Plugins({"painted": PAINTED}))


@pytest.fixture
def synapses(server: ServerThread) -> Annotations:
    """An instance that follows nothing."""
    uuid = server.client.new_repo()
    server.client.new_instance(uuid, "annotation", "syn")
    return Annotations(server.client, uuid, "syn", server)


@pytest.fixture
def labelled(synapses: Annotations) -> Annotations:
    """An instance that follows labels."""
    synapses.client.new_instance(synapses.uuid, "labelmap", "seg")
    synapses.post("sync", {"sync": "seg"}).ok()
    return synapses

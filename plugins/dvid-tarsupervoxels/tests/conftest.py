"""A server with this plugin and a segmentation of the kind that it may follow, and one instance of each."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

import pytest
from dvid_tarsupervoxels import plugin

from dvid_framework.api import (
    Answer,
    Datatype,
    Instance,
    InstanceRequest,
    SupervoxelsOf,
    VersionRecord,
    empty,
    hookimpl,
    post,
)
from dvid_framework.testing import Plugins
from dvid_framework.testing.instance_client import InstanceClient
from dvid_framework.testing.pytest_plugin import ServerFactory
from dvid_framework.testing.running import ServerThread


class BodiesInstance(Instance):
    """A segmentation that only knows what bodies are made of."""

    def supervoxels_of(self, version: VersionRecord, body: int) -> Sequence[int]:
        with self.view(version) as view:
            value = view.get(str(body).encode())
        return [] if value is None else json.loads(bytes(value))


@post("/body")
async def post_body(request: InstanceRequest[BodiesInstance]) -> Answer:
    """Set what bodies are made of: `{"1": [1, 2]}`."""
    bodies = await request.read_json(dict[str, list[int]])

    def write() -> None:
        with request.begin() as txn:
            for body, supervoxels in bodies.items():
                txn.put(body.encode(), json.dumps(supervoxels).encode())
            txn.emit("bodies")

    await request.run(write)
    return empty()


class Bodies(Datatype):
    """A segmentation that only knows what bodies are made of."""

    name = "bodies"
    instance = BodiesInstance
    routes = (post_body,)
    provides = (SupervoxelsOf,)


class Segmentation:
    """A plugin with that type."""

    @hookimpl
    def dvid_datatypes(self) -> list[type[Datatype]]:
        return [Bodies]


@dataclass
class Tars(InstanceClient):
    """An instance at a version."""

    def exists(self, *supervoxels: int) -> list[bool]:
        found: list[bool] = self.get("exists", json.dumps(supervoxels)).ok().json()
        return found

    def bodies(self, **bodies: list[int]) -> None:
        wanted = {name.removeprefix("b"): supervoxels for name, supervoxels in bodies.items()}
        self.client.post(f"/api/node/{self.uuid}/seg/body", wanted).ok()


@pytest.fixture
def plugins() -> Plugins:
    return Plugins({"tarsupervoxels": plugin, "segmentation": Segmentation()}, discover=False)


@pytest.fixture
def server(dvid_server: ServerFactory, plugins: Plugins) -> ServerThread:
    return dvid_server(plugins=plugins)


@pytest.fixture
def tars(server: ServerThread) -> Tars:
    client = server.client
    uuid = client.new_repo()
    client.new_instance(uuid, "bodies", "seg")
    client.new_instance(uuid, "tarsupervoxels", "ts", Extension="dat")
    client.post(f"/api/node/{uuid}/ts/sync", {"sync": "seg"}).ok()
    return Tars(client, uuid, "ts")

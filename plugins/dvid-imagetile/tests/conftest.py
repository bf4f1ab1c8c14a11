"""A server with tiles and a plain type of volumes, and instances of both."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from PIL import Image

from dvid_framework.testing import Plugins
from dvid_framework.testing.client import Client, Reply
from dvid_framework.testing.instance_client import InstanceClient
from dvid_framework.testing.jobs import wait_for_job
from dvid_framework.testing.modules import module_beside
from dvid_framework.testing.pytest_plugin import ServerFactory
from dvid_framework.testing.running import ServerThread


def post_volume(
    client: Client, uuid: str, volume: np.ndarray, offset: tuple[int, int, int], name: str = "gray", **settings: str
) -> None:
    """Make a volume of an array (z, y, x) or (z, y, x, channel)."""
    client.new_instance(uuid, "volume", name, data_type=volume.dtype.name, **settings)
    size = "_".join(map(str, volume.shape[2::-1]))
    at = "_".join(map(str, offset))
    client.post(f"/api/node/{uuid}/{name}/voxels/{size}/{at}", volume.tobytes()).ok()


@dataclass
class Tiles(InstanceClient):
    """An instance of tiles at a version, and what makes others."""

    def make(self, name: str, **settings: str) -> Tiles:
        self.client.new_instance(self.uuid, "imagetile", name, **settings)
        return self.named(name)

    def refused(self, **settings: str) -> Reply:
        body = {"typename": "imagetile", "dataname": "bad", **settings}
        return self.client.post(f"/api/repo/{self.uuid}/instance", body)

    def volume(self, volume: np.ndarray, offset: tuple[int, int, int] = (0, 0, 0), **settings: str) -> None:
        post_volume(self.client, self.uuid, volume, offset, **settings)

    def image(self, rest: str) -> np.ndarray:
        reply = self.get(rest).ok()
        with Image.open(BytesIO(reply.body)) as picture:
            return np.asarray(picture)

    def generate(self, **options: Any) -> dict[str, Any]:
        job = self.post("generate", options).ok().json()["job"]
        return wait_for_job(self.client, job)


@pytest.fixture(scope="session")
def plain_volume() -> ModuleType:
    return module_beside(__file__, "plain_volume")


@pytest.fixture
def server(dvid_server: ServerFactory, monkeypatch: pytest.MonkeyPatch, plain_volume: ModuleType) -> ServerThread:
    monkeypatch.setenv("DVID_LOAD_PLUGINS", "imagetile")
    return dvid_server(plugins=Plugins({"plain_volume": plain_volume}))


@pytest.fixture
def tiles(server: ServerThread) -> Tiles:
    """An instance `t` of PNG tiles whose source is `gray`, which a test makes."""
    client = server.client
    uuid = client.new_repo()
    client.new_instance(uuid, "imagetile", "t", Source="gray")
    return Tiles(client, uuid, "t")

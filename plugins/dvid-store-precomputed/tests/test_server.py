"""A server with such a store: instances by its scales, made by themselves, and a start that a bad volume stops."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import numpy as np
import pytest
from dvid_store_precomputed.plugin import dvid_startup, dvid_store_engines

from dvid_framework.api import Answer, Datatype, FromPath, Instance, InstanceRequest, Instances, binary, get
from dvid_framework.testing import Config, Plugins
from dvid_framework.testing.pytest_plugin import ServerFactory


class FrontSettings(msgspec.Struct):
    grid_store: str = ""
    scale_level: int = 0
    block_size: tuple[int, int, int] = (0, 0, 0)


class FrontInstance(Instance):
    """What imageblk does with a grid store, in short."""

    settings: FrontSettings

    def extended(self, version: Any) -> dict[str, Any]:
        return msgspec.to_builtins(self.settings)


@get("/box/{size:str}/{offset:str}")
async def get_box(request: InstanceRequest[FrontInstance], size: FromPath[str], offset: FromPath[str]) -> Answer:
    """Return voxels."""
    settings = request.instance.settings
    grid = request.instance.instances.grid(settings.grid_store)
    box: Any = [tuple(int(part) for part in text.split("_")) for text in (offset, size)]
    return binary(await request.run(grid.read_box, settings.scale_level, *box))


class Front(Datatype):
    """A front."""

    name = "uint8blk"
    instance = FrontInstance
    settings = FrontSettings
    routes = (get_box,)

    @classmethod
    def complete_settings(cls, settings: Any, instances: Instances) -> FrontSettings:
        scale = instances.grid(settings.grid_store).scales[settings.scale_level]
        return FrontSettings(settings.grid_store, settings.scale_level, scale.chunk_size)


@pytest.fixture
def plugins() -> Plugins:
    given = SimpleNamespace(dvid_startup=dvid_startup, dvid_store_engines=dvid_store_engines)
    found = Plugins({"store-precomputed": given}, discover=False)
    assert "ngprecomputed" in found.engines
    found.datatypes["uint8blk"] = Front
    return found


def config(ref: str, **options: Any) -> Config:
    return Config(
        store={"main": {}, "em": {"engine": "ngprecomputed", "ref": ref, **options}},
    )


def test_scales_are_made_by_themselves_once_there_is_a_repo(
    dvid_server: ServerFactory, plugins: Plugins, tmp_path: Path, new_volume: Any
) -> None:
    written = new_volume(tmp_path / "vol", encoding="jpeg")
    server = dvid_server(config=config(written.ref, instance="gray"), plugins=plugins)
    root = server.client.new_repo()
    assert server.client.get(f"/api/node/{root}/gray/info").status == 400, "there was no repo at the start"
    for _ in range(2):
        server.restart()
        for level, name in enumerate(("gray", "gray_1")):
            shown = server.client.get(f"/api/node/{root}/{name}/info").ok().json()
            assert shown["Extended"] == {"grid_store": "em", "scale_level": level, "block_size": [32, 24, 16]}
            assert shown["Base"]["Compression"].startswith("jpeg")
            got = server.client.get(f"/api/node/{root}/{name}/box/20_10_5/-3_4_5").ok().body
            assert got == written.box(level, (-3, 4, 5), (20, 10, 5)).tobytes()


def test_a_repo_that_is_named(dvid_server: ServerFactory, plugins: Plugins, tmp_path: Path, new_volume: Any) -> None:
    written = new_volume(tmp_path / "vol", scales=1)
    first = dvid_server(tmp_path / "data", config=config(written.ref), plugins=plugins)
    other, root = first.client.new_repo(), first.client.new_repo()
    first.stop()
    server = dvid_server(tmp_path / "data", config=config(written.ref, instance="gray", uuid=root), plugins=plugins)
    assert server.client.get(f"/api/node/{root}/gray/info").status == 200
    assert server.client.get(f"/api/node/{other}/gray/info").status == 400


def test_a_volume_that_is_none_stops_the_start(dvid_server: ServerFactory, plugins: Plugins, tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="`info` is missing"):
        dvid_server(config=config((tmp_path / "nowhere").as_uri()), plugins=plugins)


def test_failures_of_the_medium_are_502(
    dvid_server: ServerFactory, plugins: Plugins, tmp_path: Path, served: Any, new_volume: Any
) -> None:
    new_volume(tmp_path / "vol", scales=1)
    server = dvid_server(config=config(f"{served.url}/vol", instance="gray"), plugins=plugins)
    root = server.client.new_repo()
    server.restart()
    served.failures = [403]
    failed = server.client.get(f"/api/node/{root}/gray/box/8_8_8/0_0_0")
    assert failed.status == 502
    assert "127.0.0.1" not in failed.text.partition(" (/api")[0]
    assert np.frombuffer(server.client.get(f"/api/node/{root}/gray/box/8_8_8/0_0_0").ok().body, np.uint8).any()

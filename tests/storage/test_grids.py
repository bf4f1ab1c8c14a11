"""Grid stores: voxels of somebody else behind an alias, opened with the server, and never taken for a store of keys."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

from dvid_framework.config import Config
from dvid_framework.errors import BadGateway, BadRequest
from dvid_framework.instances.datatype import Datatype
from dvid_framework.instances.instance import Instance
from dvid_framework.instances.registry import Instances
from dvid_framework.plugins import Plugins
from dvid_framework.storage.grids import GridBlock, GridEngine, GridScale, GridVolume
from dvid_framework.storage.memory import MemoryEngine
from dvid_framework.storage.stores import StoreConfig, Stores
from dvid_framework.testing.pytest_plugin import ServerFactory


class Zeros(GridVolume):
    def __init__(self) -> None:
        self.data_type, self.channels, self.is_segmentation = "uint8", 1, False
        self.scales = (GridScale((10, 20, 30), (1, 2, 3), (8, 8, 8), (4.0, 4.0, 40.0)),)
        self.closed = 0

    def read_box(self, scale: int, offset: tuple[int, int, int], size: tuple[int, int, int]) -> bytes:
        return bytes(size[0] * size[1] * size[2])

    def read_block(self, scale: int, block: tuple[int, int, int], *, jpeg: bool = False) -> GridBlock | None:
        return None

    def close(self) -> None:
        self.closed += 1


class ZerosEngine(GridEngine):
    name = "zeros"

    def __init__(self) -> None:
        self.opened: list[tuple[Path, Mapping[str, Any]]] = []

    def open_grid(self, folder: Path, options: Mapping[str, Any]) -> GridVolume:
        self.opened.append((folder, options))
        if options.get("fails"):
            raise BadGateway("the bucket does not answer")
        return Zeros()


class GridSettings(msgspec.Struct):
    grid_store: str = ""
    size: tuple[int, int, int] = (0, 0, 0)


class Fronting(Datatype):
    """A front."""

    name = "front"
    instance = Instance
    settings = GridSettings

    @classmethod
    def complete_settings(cls, settings: Any, instances: Instances) -> GridSettings:
        assert instances.options("front") == {"colour": "red"}
        assert instances.options("other") == {}
        return GridSettings(settings.grid_store, instances.grid(settings.grid_store).scales[0].size)


def _plugins() -> Plugins:
    plugins = Plugins(discover=False)
    plugins.engines["zeros"] = ZerosEngine()
    plugins.datatypes["front"] = Fronting
    return plugins


def test_a_grid_store_is_opened_once_and_holds_no_data(tmp_path: Path) -> None:
    engine = ZerosEngine()
    configs = {
        "em": StoreConfig("zeros", Path("x"), {"ref": "gs://b"}, tmp_path),
        "kept": StoreConfig("memory", Path("m")),
    }
    stores = Stores(configs, {"memory": MemoryEngine(), "zeros": engine})
    assert (stores.default, stores.aliases()) == ("kept", ["kept"])
    assert engine.opened == []
    volume = stores.grids.get("em")
    assert stores.grids.get("em") is volume
    assert engine.opened == [(tmp_path, {"ref": "gs://b"})]
    assert volume.scales[0].last == (10, 21, 32)
    with pytest.raises(BadRequest, match="no grid store 'kept'; it has em"):
        stores.grids.get("kept")
    with pytest.raises(BadRequest, match="'em'"):
        stores.log("em")
    stores.close()
    assert isinstance(volume, Zeros)
    assert volume.closed == 1


def test_configurations_that_would_keep_data_in_a_grid_are_refused() -> None:
    engines = {"memory": MemoryEngine(), "zeros": ZerosEngine()}
    only = {"em": StoreConfig("zeros", Path("x"))}
    with pytest.raises(BadRequest, match=r"add \[store.default\]"):
        Stores(only, engines)
    with pytest.raises(BadRequest, match="chooses 'em', which holds voxels"):
        Stores({**only, "kept": StoreConfig("memory", Path("m"))}, engines, {"labelmap": "em"})
    with pytest.raises(BadRequest, match="no data of instances"):
        ZerosEngine().open(Path("x"), {})
    assert ZerosEngine().check(Path("x"), {}) == []


def test_settings_are_completed_from_the_grid(dvid_server: ServerFactory) -> None:
    config = Config(
        store={"main": {"engine": "memory"}, "em": {"engine": "zeros"}}, plugin={"front": {"colour": "red"}}
    )
    server = dvid_server(config=config, plugins=_plugins())
    root = server.client.new_repo()
    made = {"typename": "front", "dataname": "g", "GridStore": "em"}
    assert server.client.post(f"/api/repo/{root}/instance", made).status == 200
    assert server.server.instances.get(server.server.repos.find(root)[0], "g").settings.size == (10, 20, 30)
    refused = server.client.post(f"/api/repo/{root}/instance", {**made, "dataname": "h", "GridStore": "main"})
    assert refused.status == 400
    assert "no grid store 'main'" in refused.text


def test_a_grid_that_fails_stops_the_start(dvid_server: ServerFactory) -> None:
    config = Config(store={"main": {"engine": "memory"}, "em": {"engine": "zeros", "fails": True}})
    with pytest.raises(RuntimeError, match="the bucket does not answer"):
        dvid_server(config=config, plugins=_plugins())

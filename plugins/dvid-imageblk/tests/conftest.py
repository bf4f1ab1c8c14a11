"""A server with the image types and a tiny type of regions, and volumes in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import dvid_imageblk.plugin
import numpy as np
import pytest

from dvid_framework.api import BlockMask, Datatype, Instance, VersionRecord, hookimpl
from dvid_framework.testing import Plugins
from dvid_framework.testing.client import Client, Reply
from dvid_framework.testing.running import ServerThread

Triple = tuple[int, int, int]


class CheckedInstance(Instance):
    """A region of every other block of 6x4x8, as on a chess board."""

    def mask_block_size(self) -> Triple:
        return (6, 4, 8)

    def block_mask(self, version: VersionRecord, first: Triple, count: Triple) -> bytes:
        x, y, z = (np.arange(low, low + size) for low, size in zip(first, count, strict=True))
        odd = (x[None, None, :] + y[None, :, None] + z[:, None, None]) % 2
        return bytes(odd.astype(np.uint8).tobytes())


class Checked(Datatype):
    """Regions for tests."""

    name = "checked"
    instance = CheckedInstance
    provides = (BlockMask,)


class RegionPlugin:
    @hookimpl
    def dvid_datatypes(self) -> list[type[Datatype]]:
        return [Checked]


def joined(numbers: Sequence[float]) -> str:
    return "_".join(str(number) for number in numbers)


@dataclass
class Volume:
    """An image instance and what tests do with it; arrays are (z, y, x), perhaps with channels, places are x, y, z."""

    client: Client
    root: str
    name: str
    dtype: Any
    channels: int
    server: ServerThread

    def path(self, rest: str, version: str | None = None) -> str:
        return f"/api/node/{version or self.root}/{self.name}/{rest}"

    def get(self, rest: str, version: str | None = None) -> Reply:
        return self.client.get(self.path(rest, version))

    def post(self, rest: str, body: Any = b"", version: str | None = None) -> Reply:
        return self.client.post(self.path(rest, version), body)

    def shaped(self, size: Sequence[int]) -> tuple[int, ...]:
        return (*size[::-1], *(() if self.channels == 1 else (self.channels,)))

    def noise(self, size: Sequence[int], seed: int = 0) -> np.ndarray:
        rng = np.random.default_rng(seed)
        if self.dtype == np.float32:
            return rng.normal(0, 50, self.shaped(size)).astype(np.float32)
        return rng.integers(0, np.iinfo(self.dtype).max, self.shaped(size), self.dtype, endpoint=True)

    def write(self, array: np.ndarray, offset: Sequence[int], query: str = "", version: str | None = None) -> Reply:
        size = array.shape[2::-1]
        return self.post(f"raw/0_1_2/{joined(size)}/{joined(offset)}{query}", array.tobytes(), version)

    def read(
        self, size: Sequence[int], offset: Sequence[int], query: str = "", version: str | None = None
    ) -> np.ndarray:
        reply = self.get(f"raw/0_1_2/{joined(size)}/{joined(offset)}{query}", version).ok()
        return np.frombuffer(reply.body, self.dtype).reshape(self.shaped(size))


@pytest.fixture(scope="session")
def plugins() -> Callable[[], Plugins]:
    return lambda: Plugins(extra={"imageblk": dvid_imageblk.plugin, "region": RegionPlugin()}, discover=False)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, plugins: Callable[[], Plugins]) -> Iterator[ServerThread]:
    running = ServerThread(tmp_path_factory.mktemp("data"), plugins=plugins())
    yield running
    running.stop()


@pytest.fixture
def new_volume(server: ServerThread) -> Callable[..., Volume]:
    def make(type_name: str = "uint8blk", block: Triple = (8, 8, 8), **settings: str) -> Volume:
        root = server.client.new_repo()
        server.client.new_instance(root, type_name, "vol", BlockSize=",".join(map(str, block)), **settings)
        channels = 4 if type_name == "rgba8blk" else 1
        name = type_name.removesuffix("blk").replace("rgba", "uint").replace("multichan", "uint")
        dtype = np.dtype(name)
        return Volume(server.client, root, "vol", dtype.type, channels, server)

    return make

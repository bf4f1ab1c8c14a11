"""Instances that show a scale of a store of voxels."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from dvid_framework.api import GridBlock, GridEngine, GridScale, GridVolume
from dvid_framework.testing import Config, Plugins
from dvid_framework.testing.client import Client
from dvid_framework.testing.running import ServerThread

SHAPE = (20, 24, 30)  # z, y, x: a border block along each axis
CHUNK = (8, 8, 8)
VOXELS = (np.indices(SHAPE).sum(axis=0) * 3).astype(np.uint8)


class Ramp(GridVolume):
    """Two scales of a ramp, in blocks of 8^3; the block (0, 0, 1) is missing."""

    def __init__(self) -> None:
        self.data_type, self.channels, self.is_segmentation = "uint8", 1, False
        self.scales = (
            GridScale((30, 24, 20), (0, 0, 0), CHUNK, (4.0, 4.0, 8.0)),
            GridScale((15, 12, 10), (0, 0, 0), CHUNK, (8.0, 8.0, 16.0)),
        )

    def _box(self, scale: int, offset: tuple[int, ...], size: tuple[int, ...]) -> np.ndarray:
        step = scale + 1
        source, out = VOXELS[::step, ::step, ::step], np.zeros(size[::-1], np.uint8)
        for at in np.ndindex(*size[::-1]):
            place = [n + low for n, low in zip(at, offset[::-1], strict=True)]
            if all(0 <= n < side for n, side in zip(place, source.shape, strict=True)):
                out[at] = source[tuple(place)]
        return out

    def read_box(self, scale: int, offset: tuple[int, int, int], size: tuple[int, int, int]) -> bytes:
        return self._box(scale, offset, size).tobytes()

    def read_block(self, scale: int, block: tuple[int, int, int], *, jpeg: bool = False) -> GridBlock | None:
        if block == (0, 0, 1) or min(block) < 0 or any(8 * n >= 32 for n in block):
            return None
        voxels = self._box(scale, tuple(8 * n for n in block), CHUNK)
        if not jpeg:
            return GridBlock(False, voxels.tobytes())
        buffer = io.BytesIO()
        Image.fromarray(voxels.reshape(64, 8)).save(buffer, "JPEG", quality=95)
        return GridBlock(True, buffer.getvalue())

    def close(self) -> None:
        pass


class RampEngine(GridEngine):
    name = "ramp"

    def open_grid(self, folder: Path, options: Mapping[str, Any]) -> GridVolume:
        return Ramp()


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory, plugins: Callable[[], Plugins]) -> Iterator[Client]:

    installed = plugins()
    installed.engines["ramp"] = RampEngine()
    config = Config(store={"main": {"engine": "memory"}, "em": {"engine": "ramp"}})
    running = ServerThread(tmp_path_factory.mktemp("grid"), config, plugins=installed)
    yield running.client
    running.stop()


@pytest.fixture(scope="module")
def node(client: Client) -> str:
    root = client.new_repo()
    client.new_instance(root, "uint8blk", "g", GridStore="em", Compression="jpeg")
    client.new_instance(root, "uint8blk", "g_1", GridStore="em", ScaleLevel="1")
    return f"/api/node/{root}"


def test_geometry_is_that_of_the_scale(client: Client, node: str) -> None:
    extended = client.json(f"{node}/g_1/info")["Extended"]
    assert (extended["BlockSize"], extended["VoxelSize"]) == ([8, 8, 8], [8, 8, 16])
    assert (extended["MinPoint"], extended["MaxPoint"]) == ([0, 0, 0], [14, 11, 9])


def test_every_read_works(client: Client, node: str) -> None:
    raw = client.get(f"{node}/g/raw/0_1_2/9_8_7/3_2_1").ok().body
    assert raw == VOXELS[1:8, 2:10, 3:12].tobytes()
    image = Image.open(io.BytesIO(client.get(f"{node}/g/raw/xz/9_7/3_2_1").ok().body))
    assert (np.asarray(image) == VOXELS[1:8, 2, 3:12]).all()
    assert client.get(f"{node}/g/isotropic/xz/10_8/0_0_0").ok().headers["content-type"] == "image/png"
    oblique = np.asarray(Image.open(io.BytesIO(client.get(f"{node}/g/arb/4_4_0/12_4_0/4_12_0/4").ok().body)))
    assert (oblique == VOXELS[0, 1:4, 1:4]).all()
    blocks = client.get(f"{node}/g/blocks/0_0_0/2").ok().body
    assert blocks == VOXELS[:8, :8, :8].tobytes() + VOXELS[:8, :8, 8:16].tobytes()
    assert client.get(f"{node}/g/blocks/0_0_1/1").ok().body == bytes(512)


def test_streams_are_in_order_and_leave_out_what_is_missing(client: Client, node: str) -> None:
    for query in ("?compression=uncompressed", ""):
        body = client.get(f"{node}/g/subvolblocks/16_8_24/0_0_0{query}").ok().body
        places, at = [], 0
        while at < len(body):
            *place, size = struct.unpack_from("<4i", body, at)
            data = body[at + 16 : at + 16 + size]
            found = np.frombuffer(data, np.uint8) if query else np.asarray(Image.open(io.BytesIO(data))).ravel()
            x, y, z = (8 * n for n in place)
            block = VOXELS[z : z + 8, y : y + 8, x : x + 8]
            assert np.abs(found.reshape(8, 8, 8)[: len(block)].astype(int) - block).max() <= (0 if query else 12)
            places.append(tuple(place))
            at += 16 + size
        assert places == [(0, 0, 0), (1, 0, 0), (1, 0, 1), (0, 0, 2), (1, 0, 2)]


def test_writes_are_refused(client: Client, node: str) -> None:
    for path in ("raw/0_1_2/8_8_8/0_0_0", "blocks/0_0_0/1"):
        reply = client.post(f"{node}/g/{path}", bytes(512))
        assert reply.status == 400
        assert "only read" in reply.text


def test_settings_that_do_not_fit_the_store(client: Client, node: str) -> None:
    repo = node.replace("node", "repo")
    for settings in ({"ScaleLevel": "2"}, {"typename": "uint16blk"}, {"MaxDownresLevel": "1"}):
        made = {"typename": "uint8blk", "dataname": "bad", "GridStore": "em", **settings}
        assert client.post(f"{repo}/instance", made).status == 400

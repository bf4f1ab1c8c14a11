"""Tiles that are made of instances of images: the same voxels by tiles as by the volume."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import numpy as np
import pytest
from PIL import Image

from dvid_framework.testing.client import Client
from dvid_framework.testing.jobs import wait_for_job
from dvid_framework.testing.pytest_plugin import ServerFactory


def _image(client: Client, path: str) -> np.ndarray:
    with Image.open(BytesIO(client.get(path).ok().body)) as picture:
        return np.asarray(picture)


@pytest.mark.parametrize("kind", ["uint8blk", "uint16blk", "rgba8blk"])
def test_stitched_tiles_are_slices_of_the_volume(
    dvid_server: ServerFactory, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setenv("DVID_LOAD_PLUGINS", "imageblk,imagetile")
    client = dvid_server().client
    root = client.new_repo()
    client.new_instance(root, kind, "gray", BlockSize="32,32,32", VoxelSize="4,8,8")
    size = {"uint8blk": 1, "uint16blk": 2, "rgba8blk": 4}[kind]
    voxels = np.random.default_rng(2).bytes(64 * 96 * 128 * size)
    client.post(f"/api/node/{root}/gray/raw/0_1_2/128_96_64/0_-32_32", voxels).ok()
    client.new_instance(root, "imagetile", "tiles", Source="gray")
    level: Any = {"Resolution": [4, 8, 8], "TileSize": [48, 40, 56]}
    options = {"levels": {"0": level}, "planes": "xy;yz", "zrange": "40,45", "xrange": "3,5"}
    job = client.post(f"/api/node/{root}/tiles/generate", options).ok().json()["job"]
    assert wait_for_job(client, job)["state"] == "done"
    for place in ("xy/100_50/10_5_41", "yz/60_50/4_2_35"):
        for action in ("raw", "isotropic"):
            of_tiles = _image(client, f"/api/node/{root}/tiles/{action}/{place}")
            assert np.array_equal(of_tiles, _image(client, f"/api/node/{root}/gray/{action}/{place}")), place
    assert client.get(f"/api/node/{root}/tiles/tile/xy/0/0_0_46?noblanks=true").status == 404

"""Neuroglancer precomputed volumes behind instances of images: every read is what TensorStore wrote."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorstore
from PIL import Image

from dvid_framework.testing import Config
from dvid_framework.testing.client import Client
from dvid_framework.testing.pytest_plugin import ServerFactory

SHARDING = {
    "@type": "neuroglancer_uint64_sharded_v1",
    "preshift_bits": 1,
    "minishard_bits": 2,
    "shard_bits": 1,
    "hash": "identity",
    "minishard_index_encoding": "gzip",
    "data_encoding": "gzip",
}
SIZE = (100, 72, 50)


def _write(folder: Path, encoding: str, sharded: bool, dtype: str) -> np.ndarray:
    """Write a volume; returns what it holds, (z, y, x)."""
    metadata: dict[str, Any] = {
        "size": SIZE,
        "encoding": encoding,
        "chunk_size": [32, 32, 32],
        "resolution": [8, 8, 8],
        **({"sharding": SHARDING} if sharded else {}),
    }
    if encoding == "compressed_segmentation":
        metadata["compressed_segmentation_block_size"] = [8, 8, 8]
    kind = "segmentation" if dtype == "uint64" else "image"
    spec = {
        "driver": "neuroglancer_precomputed",
        "kvstore": folder.as_uri() + "/",
        "multiscale_metadata": {"type": kind, "data_type": dtype, "num_channels": 1},
        "scale_metadata": metadata,
    }
    array = tensorstore.open(spec, create=True).result()
    ramp = np.add.outer(np.add.outer(np.arange(SIZE[0]), 2 * np.arange(SIZE[1])), np.arange(SIZE[2]))
    array.write((ramp % 200 + 20).astype(dtype)[..., None]).result()
    return np.ascontiguousarray(array.read().result()[..., 0].transpose(2, 1, 0))


class Volume:
    """An instance of a server over a volume."""

    def __init__(self, client: Client, path: str) -> None:
        self.client, self.path = client, path

    def get(self, rest: str) -> Any:
        return self.client.get(f"{self.path}/{rest}")


@pytest.fixture(params=[("raw", False), ("raw", True), ("jpeg", False), ("jpeg", True)])
def gray(request: pytest.FixtureRequest, dvid_server: ServerFactory, tmp_path: Path) -> tuple[Volume, np.ndarray]:
    encoding, sharded = request.param
    voxels = _write(tmp_path / "vol", encoding, sharded, "uint8")
    stores: Any = {
        "main": {"engine": "leveldb"},
        "em": {"engine": "ngprecomputed", "ref": (tmp_path / "vol").as_uri()},
    }
    client = dvid_server(config=Config(store=stores)).client
    root = client.new_repo()
    client.new_instance(root, "uint8blk", "gray", GridStore="em", Compression="jpeg")
    return Volume(client, f"/api/node/{root}/gray"), voxels


def test_images_of_a_precomputed_volume(gray: tuple[Volume, np.ndarray]) -> None:
    instance, voxels = gray
    shown = instance.get("info").ok().json()["Extended"]
    assert (shown["BlockSize"], shown["VoxelSize"]) == ([32, 32, 32], [8, 8, 8])
    assert (shown["MinPoint"], shown["MaxPoint"]) == ([0, 0, 0], [99, 71, 49])
    raw = instance.get("raw/0_1_2/60_40_30/10_20_10").ok().body
    assert np.array_equal(np.frombuffer(raw, np.uint8).reshape(30, 40, 60), voxels[10:40, 20:60, 10:70])
    with Image.open(BytesIO(instance.get("raw/xz/50_30/20_7_5").ok().body)) as picture:
        assert np.array_equal(np.asarray(picture), voxels[5:35, 7, 20:70])
    blocks = instance.get("subvolblocks/64_32_32/0_0_0?compression=uncompressed").ok().body
    found = {}
    while blocks:
        x, y, z, count = np.frombuffer(blocks[:16], "<i4").tolist()
        found[x, y, z] = np.frombuffer(blocks[16 : 16 + count], np.uint8).reshape(32, 32, 32)
        blocks = blocks[16 + count :]
    for x in range(2):
        expected = voxels[:32, :32, 32 * x : 32 * x + 32].astype(int)
        assert np.abs(found[x, 0, 0].astype(int) - expected).max() <= 3, "decoders of JPEG differ a little"
    assert instance.client.post(f"{instance.path}/raw/0_1_2/32_32_32/0_0_0", bytes(32**3)).status == 400

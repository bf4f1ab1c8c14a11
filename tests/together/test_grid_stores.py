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
        "main": {},
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


# -- labels


def _write_labels(folder: Path, sharded: bool, offset: tuple[int, int, int]) -> list[np.ndarray]:
    """Write a segmentation of three scales, of which the third halves z no more; returns them, (z, y, x)."""
    found = []
    for scale, step in enumerate(((1, 1, 1), (2, 2, 2), (4, 4, 2))):
        size = [-(-side // by) for side, by in zip(SIZE, step, strict=True)]
        metadata: dict[str, Any] = {
            "size": size,
            "encoding": "compressed_segmentation",
            "compressed_segmentation_block_size": [8, 8, 8],
            "chunk_size": [32, 32, 32],
            "resolution": [8 * by for by in step],
            "voxel_offset": [low // by for low, by in zip(offset, step, strict=True)],
            **({"sharding": SHARDING} if sharded else {}),
        }
        spec = {
            "driver": "neuroglancer_precomputed",
            "kvstore": folder.as_uri() + "/",
            "multiscale_metadata": {"type": "segmentation", "data_type": "uint64", "num_channels": 1},
            "scale_metadata": metadata,
        }
        labels = np.random.default_rng(scale).integers(0, 4, size).astype(np.uint64) << np.uint64(40)
        tensorstore.open(spec, create=True).result().write(labels[..., None]).result()
        found.append(np.ascontiguousarray(labels.T))
    return found


@pytest.mark.parametrize("offset", [(0, 0, 0), (-64, 10, 6)])
@pytest.mark.parametrize("sharded", [False, True])
def test_labels_of_a_precomputed_volume(
    dvid_server: ServerFactory, tmp_path: Path, sharded: bool, offset: tuple[int, int, int]
) -> None:
    labels = _write_labels(tmp_path / "seg", sharded, offset)
    stores: Any = {
        "main": {},
        "seg": {"engine": "ngprecomputed", "ref": (tmp_path / "seg").as_uri(), "instance": "seg"},
    }
    server = dvid_server(config=Config(store=stores))
    root = server.client.new_repo()
    server.restart()  # there is a repo now, so the instance is made
    client = server.client
    instance = Volume(client, f"/api/node/{root}/seg")
    shown = instance.get("info").ok().json()["Extended"]
    assert (shown["BlockSize"], shown["MaxDownresLevel"], shown["IndexedLabels"]) == ([32, 32, 32], 1, False)
    assert shown["MinPoint"] == list(offset)
    x, y, z = offset
    whole = np.zeros((60, 90, 120), np.uint64)
    whole[5 : 5 + SIZE[2], 10 : 10 + SIZE[1], 7 : 7 + SIZE[0]] = labels[0]
    box = f"120_90_60/{x - 7}_{y - 10}_{z - 5}"
    assert np.array_equal(np.frombuffer(instance.get(f"raw/0_1_2/{box}").ok().body, "<u8").reshape(whole.shape), whole)
    half = instance.get(f"raw/0_1_2/50_36_25/{x // 2}_{y // 2}_{z // 2}?scale=1").ok().body
    assert half == labels[1].tobytes()
    assert not any(instance.get("raw/0_1_2/32_32_32/0_0_0?scale=2").body)
    at = x + 50, y + 40, z + 30
    assert instance.get(f"label/{at[0]}_{at[1]}_{at[2]}").ok().json()["Label"] == int(labels[0][30, 40, 50])
    assert instance.get("label/4000_0_0").ok().json()["Label"] == 0
    _check_blocks(instance, whole, (x - 7, y - 10, z - 5))
    refused = client.post(f"{instance.path}/raw/0_1_2/32_32_32/0_0_0", bytes(8 * 32**3))
    assert (refused.status, "only read" in refused.text) == (400, True)
    assert client.post(f"{instance.path}/merge", [1, 2]).status == 400
    assert instance.get("sparsevol/1").status == 400
    assert client.post(f"{instance.path}/info", {"MaxDownresLevel": "3"}).status == 400


def _check_blocks(instance: Volume, whole: np.ndarray, first: tuple[int, int, int]) -> None:
    """A stream of blocks has those that hold a label, each as it is."""
    count = [4, 3, 2]
    low = [-(-at // 32) for at in first]
    size = "_".join(str(32 * number) for number in count)
    path = f"blocks/{size}/{'_'.join(str(32 * at) for at in low)}?compression=uncompressed"
    body, seen = instance.get(path).ok().body, 0
    while body:
        *place, length = np.frombuffer(body[:16], "<i4").tolist()
        block = np.frombuffer(body[16 : 16 + length], "<u8").reshape(32, 32, 32)
        body, seen = body[16 + length :], seen + 1
        x, y, z = (32 * number - at for number, at in zip(place, first, strict=True))
        expected = np.zeros((32, 32, 32), np.uint64)
        part = whole[z : z + 32, y : y + 32, x : x + 32]
        expected[: part.shape[0], : part.shape[1], : part.shape[2]] = part
        assert np.array_equal(block, expected)
    assert seen > 0


def test_stores_that_a_labelmap_can_not_show(dvid_server: ServerFactory, tmp_path: Path) -> None:
    _write(tmp_path / "vol", "raw", False, "float32")
    stores: Any = {
        "main": {},
        "em": {"engine": "ngprecomputed", "ref": (tmp_path / "vol").as_uri()},
    }
    client = dvid_server(config=Config(store=stores)).client
    root = client.new_repo()
    for settings, word in (
        ({"GridStore": "em"}, "no labels"),
        ({"GridStore": "em", "ScaleLevel": "1"}, "has 1 scales"),
        ({"GridStore": "other"}, "no grid store 'other'"),
    ):
        refused = client.post(f"/api/repo/{root}/instance", {"typename": "labelmap", "dataname": "seg", **settings})
        assert (refused.status, word in refused.text) == (400, True), refused.text

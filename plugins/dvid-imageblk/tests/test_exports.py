"""Versions as precomputed and as OME-Zarr, read by TensorStore over HTTP: every type, versions, scales, backgrounds."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import dvid_imageblk.plugin
import numpy as np
import pytest
import tensorstore
from numpy.typing import NDArray
from PIL import Image

from dvid_framework.testing import Plugins
from dvid_framework.testing.client import Client
from dvid_framework.testing.running import ServerThread

TYPES = {
    "uint8blk": ("uint8", ()),
    "uint16blk": ("uint16", ()),
    "uint32blk": ("uint32", ()),
    "uint64blk": ("uint64", ()),
    "float32blk": ("float32", ()),
    "rgba8blk": ("uint8", (4,)),
}
OFFSET = (32, 0, 96)
SPEC = {"open": True, "read": True}


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    plugins = Plugins(extra={"imageblk": dvid_imageblk.plugin}, discover=False)
    running = ServerThread(tmp_path_factory.mktemp("data"), plugins=plugins)
    yield running.client
    running.stop()


def image(kind: str, size: tuple[int, int, int] = (96, 64, 64), seed: int = 0) -> NDArray[Any]:
    """Voxels (z, y, x) or (z, y, x, channel)."""
    dtype, channels = TYPES[kind]
    raw = np.random.default_rng(seed).integers(0, 100, (*size[::-1], *channels))
    return (raw * 1.5 if dtype == "float32" else raw * (1 if dtype == "uint8" else 301)).astype(dtype)


def write(client: Client, version: str, voxels: NDArray[Any], offset: tuple[int, int, int] = OFFSET) -> None:
    place = "_".join(map(str, voxels.shape[2::-1])) + "/" + "_".join(map(str, offset))
    client.post(f"/api/node/{version}/gray/raw/0_1_2/{place}", voxels.tobytes()).ok()


def precomputed(client: Client, version: str, scale: int = 0) -> tuple[Any, NDArray[Any]]:
    """First voxel (x, y, z), and voxels as `image` has them."""
    at = f"{client.url}/api/node/{version}/gray/precomputed/"
    store = tensorstore.open({"driver": "neuroglancer_precomputed", "kvstore": at, "scale_index": scale}, **SPEC)
    read = store.result().read().result()
    voxels = read.transpose(2, 1, 0, 3)
    return store.result().domain.origin[:3], voxels[..., 0] if voxels.shape[3] == 1 else voxels


def zarr(client: Client, version: str, scale: int = 0) -> NDArray[Any]:
    """Voxels as `image` has them."""
    at = f"{client.url}/api/node/{version}/gray/zarr/{scale}/"
    read = tensorstore.open({"driver": "zarr3", "kvstore": at}, **SPEC).result().read().result()
    return np.moveaxis(read, 0, 3) if read.ndim == 4 else read


@pytest.mark.parametrize("kind", TYPES)
def test_every_type_at_two_versions_and_two_scales(client: Client, kind: str) -> None:
    root = client.new_repo()
    client.new_instance(root, kind, "gray", BlockSize="32,32,32", MaxDownresLevel="1", Background="5")
    first = image(kind)
    write(client, root, first)
    client.commit(root)
    child = client.child(root)
    second = first.copy()
    second[:32, :32, 32:64] = image(kind, (32, 32, 32), 1)
    write(client, child, np.ascontiguousarray(second[:32, :32, 32:64]), (64, 0, 96))
    background = np.frombuffer(bytes([5]) * 8, first.dtype)[0]
    for version, voxels in ((root, first), (child, second)):
        origin, read = precomputed(client, version)
        assert list(origin) == [0, 0, 64]
        assert read.dtype == voxels.dtype
        assert (read[32:, :, 32:] == voxels).all()
        assert (read[:32] == background).all()
        array = zarr(client, version)
        assert array.dtype == voxels.dtype
        assert (array[96:, :, 32:] == voxels).all()
        assert (array[:96] == background).all()
        path = f"/api/node/{version}/gray/raw/0_1_2/48_32_32/16_0_48?scale=1"
        low = np.frombuffer(client.get(path).ok().body, voxels.dtype).reshape(32, 32, 48, *voxels.shape[3:])
        origin, read = precomputed(client, version, 1)
        assert list(origin) == [0, 0, 0]
        assert (read[48:, :, 16:] == low).all()
        assert (zarr(client, version, 1)[48:, :, 16:] == low).all()
    assert (first != second).any()


def test_a_stored_jpeg_is_a_chunk(client: Client) -> None:
    root = client.new_repo()
    client.new_instance(root, "uint8blk", "gray", BlockSize="32,32,32", Compression="jpeg")
    smooth = np.add.outer(np.arange(64), np.add.outer(np.arange(64), np.arange(64))).astype(np.uint8)
    write(client, root, smooth, (-32, 0, 0))
    client.post(f"/api/node/{root}/gray/extents", {"MinPoint": [-32, 0, 0], "MaxPoint": [40, 63, 60]}).ok()
    at = f"/api/node/{root}/gray/"
    info = client.json(f"{at}precomputed/info")
    assert (info["type"], info["scales"][0]["encoding"]) == ("image", "jpeg")
    assert info["scales"][0]["chunk_sizes"] == [[32, 32, 32]]
    reply = client.request("GET", f"{at}precomputed/0/-32-0_0-32_0-32", None, {"Accept-Encoding": "gzip"}).ok()
    assert "content-encoding" not in reply.headers
    stored = client.get(f"{at}subvolblocks/32_32_32/-32_0_0").ok().body[16:]
    assert reply.body == stored, "nothing was decoded"
    cut = Image.open(io.BytesIO(client.get(f"{at}precomputed/0/0-32_0-32_32-61").ok().body))
    assert cut.size == (32, 32 * 29)
    raw = np.frombuffer(client.get(f"{at}raw/0_1_2/73_64_61/-32_0_0").ok().body, np.uint8).reshape(61, 64, 73)
    origin, read = precomputed(client, root)
    assert list(origin) == [-32, 0, 0]
    assert read.shape == raw.shape
    assert np.abs(read.astype(int) - raw).max() <= 12, "a block that is cut is a JPEG of what was a JPEG"
    assert (read[:32] == raw[:32]).mean() > 0.9
    array = zarr(client, root)
    assert (array[:, :, : raw.shape[2]] == raw).all()


def test_a_background_that_is_no_number(client: Client) -> None:
    root = client.new_repo()
    client.new_instance(root, "float32blk", "gray", BlockSize="64,64,64", Background="255")
    write(client, root, image("float32blk", (64, 64, 64)), (64, 0, 0))
    assert client.json(f"/api/node/{root}/gray/zarr/0/zarr.json")["fill_value"] == "0xffffffff"
    array = zarr(client, root)
    assert np.isnan(array[:, :, :64]).all()
    assert not np.isnan(array[:, :, 64:]).any()


def test_what_may_be_kept_and_what_is_no_file(client: Client) -> None:
    root = client.new_repo()
    client.new_instance(root, "uint8blk", "gray", BlockSize="64,64,64")
    at = f"/api/node/{root}/gray/"
    assert client.get(f"{at}precomputed/info").status == 404, "there is nothing yet"
    write(client, root, image("uint8blk", (64, 64, 64)), (0, 0, 0))
    client.post(f"{at}extents", {"MinPoint": [0, 0, 0], "MaxPoint": [127, 63, 63]}).ok()
    name = f"{at}precomputed/0/0-64_0-64_0-64"
    plain = client.get(name).ok()
    assert plain.body == image("uint8blk", (64, 64, 64)).tobytes()
    packed = client.request("GET", name, None, {"Accept-Encoding": "gzip"}).ok()
    assert packed.headers["content-encoding"] == "gzip"
    assert client.request("GET", name, None, {"If-None-Match": plain.headers["etag"]}).status == 304
    assert client.head(name).headers["content-length"] == str(64**3)
    assert client.get(f"{at}zarr/0/c/0/0/0").ok().body == plain.body
    missing = client.get(f"{at}zarr/0/c/0/0/1")
    assert (missing.status, missing.body) == (404, b"")
    assert set(client.get(f"{at}precomputed/0/64-128_0-64_0-64").ok().body) == {0}
    for rest in ("precomputed/1/0-64_0-64_0-64", "precomputed/0/0-64_0-64_0-65", "zarr/0/c/0/0/2", "zarr/.zattrs",
                 "precomputed/supervoxels/info", "zarr/0/c/0/0/0/0"):  # fmt: skip
        assert client.get(f"{at}{rest}").status == 404, rest
    client.commit(root)
    assert "immutable" in client.get(name).ok().headers["cache-control"]

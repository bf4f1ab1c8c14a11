"""CloudVolume and zarr-python read what was written: labels at two versions and two scales, and images."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from dvid_framework.testing.client import Client
from dvid_framework.testing.pytest_plugin import ProcessFactory

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]  # the first time the tools are installed
READ = Path(__file__).with_name("read_volumes.py")


def _labels(seed: int) -> np.ndarray:
    coarse = np.random.default_rng(seed).integers(0, 2**50, (16, 16, 16)).astype(np.uint64)
    return np.kron(coarse, np.ones((8, 8, 8), np.uint64))


def _write(client: Client, version: str) -> None:
    client.new_instance(version, "labelmap", "seg", MaxDownresLevel="1")
    address = f"/api/node/{version}/seg/raw/0_1_2/128_128_128/64_0_0"
    client.post(address, _labels(1).tobytes()).ok()


def _voxels(client: Client, version: str, scale: int) -> np.ndarray:
    side = 128 >> scale
    path = f"/api/node/{version}/seg/raw/0_1_2/{side}_{side}_{side}/{64 >> scale}_0_0?scale={scale}"
    return np.frombuffer(client.get(path).ok().body, "<u8").reshape(side, side, side)


def test_labels(dvid_process: ProcessFactory, readers: ModuleType, tmp_path: Path) -> None:
    client = dvid_process().client
    root = client.new_repo()
    _write(client, root)
    client.commit(root)
    child = client.child(root)
    client.post(f"/api/node/{child}/seg/raw/0_1_2/64_64_64/128_64_0", _labels(2)[:64, :64, :64].tobytes()).ok()
    wanted = [
        {"name": f"{tool}-{version}-{scale}", "tool": tool, "scale": scale,
         "url": f"{client.url}/api/node/{version}/seg/{route}"}
        for version in (root, child)
        for scale in (0, 1)
        for tool, route in (("cloudvolume", "precomputed"), ("cloudvolume3", "zarr"), ("zarr", "zarr"))
    ]  # fmt: skip
    (tmp_path / "wanted.json").write_text(json.dumps(wanted))
    readers.run_reader(READ, str(tmp_path))
    for version in (root, child):
        for scale in (0, 1):
            written = _voxels(client, version, scale)
            assert written.any()
            read = np.load(tmp_path / f"cloudvolume-{version}-{scale}.npy")
            begin = read.shape[2] - written.shape[2]  # the volume begins with a whole chunk
            assert (read[:, :, begin:] == written).all()
            for tool in ("zarr", "cloudvolume3"):
                array = np.load(tmp_path / f"{tool}-{version}-{scale}.npy")
                assert (array[:, :, 64 >> scale :] == written).all()
                assert not array[:, :, : 64 >> scale].any()
    assert (_voxels(client, root, 0) != _voxels(client, child, 0)).any()


@pytest.mark.parametrize(("kind", "dtype", "channels"), [("uint16blk", "<u2", ()), ("rgba8blk", "u1", (4,))])
def test_images(
    dvid_process: ProcessFactory, readers: ModuleType, tmp_path: Path, kind: str, dtype: str, channels: tuple[int, ...]
) -> None:
    client = dvid_process().client
    root = client.new_repo()
    client.new_instance(root, kind, "gray", BlockSize="32,32,32")
    voxels = np.random.default_rng(3).integers(0, 250, (32, 64, 96, *channels)).astype(dtype)
    client.post(f"/api/node/{root}/gray/raw/0_1_2/96_64_32/0_0_0", voxels.tobytes()).ok()
    at = f"{client.url}/api/node/{root}/gray"
    routes = {"cloudvolume": "precomputed", "zarr": "zarr"}
    wanted = [{"name": tool, "tool": tool, "scale": 0, "url": f"{at}/{route}"} for tool, route in routes.items()]
    (tmp_path / "wanted.json").write_text(json.dumps(wanted))
    readers.run_reader(READ, str(tmp_path))
    expected = np.moveaxis(voxels, 3, 0) if channels else voxels
    for tool in routes:
        read = np.load(tmp_path / f"{tool}.npy")
        assert read.dtype == expected.dtype
        assert (read == expected).all()
